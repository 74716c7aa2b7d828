package routing

import (
	"github.com/p2p-ai-agents/stowage/host/event"
)

// Planner decides for a custom policy where an operation goes. It is registered
// by the program that embeds the host.
//
// Plan is called on the path of every operation and from many goroutines at
// once. It must return promptly, must not block and must not call back into the
// host; a panic is contained and fails the operation as Internal. For one key
// the reads must be sent where the writes went: a Planner depends on the key
// alone for where an object lives, and on the children's health at most for the
// order in which it is looked for.
type Planner interface {
	Plan(PlanRequest) (Plan, error)
}

// PlanRequest is what a Planner may decide by.
type PlanRequest struct {
	Op  event.Op
	Key string
	// Children are those of the policy, in the order of its configuration. The
	// slice must not be changed or kept.
	Children []ChildSnapshot
}

// ChildSnapshot is what is known of a child at the time of an operation.
type ChildSnapshot struct {
	// Name is the reference, such as "backend.disk".
	Name string
	// Breaker is the state of its circuit breaker.
	Breaker event.BreakerState
}

// Plan is where an operation goes.
type Plan struct {
	// Targets are indices into PlanRequest.Children: where the object lives, in
	// the order in which reads ask. Conditional writes are decided by the one
	// that comes first in the configuration.
	Targets []int
	// Write is how many of the targets must have a write before it is
	// acknowledged; what the others miss is given to them later.
	Write Concern
	// Read is how many of the targets a read of default consistency asks.
	Read Reading
}
