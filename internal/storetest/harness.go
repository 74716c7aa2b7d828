package storetest

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultSettle is the Settle of a [Harness] that names none.
const DefaultSettle = 2 * time.Minute

// Harness is how a store under test is built and what it promises. The promises
// that hold for every store are not listed: what was acknowledged is read back,
// NotFound is the truth, an error says whether a write may have happened, and
// without faults there are no errors.
type Harness struct {
	// Children of the store. Seed, Latency and Log are chosen by the run.
	Children []ChildOptions
	// Open builds the store. It is called again after every restart of the host,
	// with new connections to the same children. Close of the store must end
	// whatever Open began.
	Open func(env Env) (storage.Store, error)
	// Repair, if not nil, makes the children hold the same.
	Repair func(ctx context.Context, s storage.Store) error
	// Settle is how long after the last fault the store may take until it has
	// made good what children missed. 0 means [DefaultSettle].
	Settle time.Duration
	// Serves says with which children faulty the store must serve an operation:
	// "get", "put", "delete" or "list", or "put if" and "delete if" for a
	// conditional one. Nil: only with none.
	Serves func(op string, faulty []bool) bool
	// Replicated: all children hold the same after Settle and Repair.
	Replicated bool
	// Single: at most one child holds a key after Settle.
	Single bool
	// ManyETags: an object can have several etags, and not every one of them
	// fulfils a condition.
	ManyETags bool
	// Drift is how much longer an object may live when it is copied to a child that
	// takes its time.
	Drift time.Duration
	// Forgets: after a restart of the host, while children are faulty, reads at
	// the default level may give older versions.
	Forgets bool
	// Seed, if not nil, fills the children before the store is first opened: the
	// same value is put to each of those that it returns true for.
	Seeds func(child string) bool
	// Lossy says which volatile children may lose data without the store's
	// promises getting weaker: caches.
	Lossy func(child string) bool
}

// Env is what a host gives to the store under test.
type Env struct {
	Children []EnvChild
	// Dir is what the host keeps on its disk. It outlives the host.
	Dir string
}

// EnvChild is a child as a store sees it; see routing.Child.
type EnvChild struct {
	Name  string
	Store storage.Store
	State func() event.BreakerInfo
}

func (h Harness) withDefaults() Harness {
	if h.Settle == 0 {
		h.Settle = DefaultSettle
	}
	if h.Serves == nil {
		h.Serves = func(string, []bool) bool { return false }
	}
	if h.Lossy == nil {
		h.Lossy = func(string) bool { return false }
	}
	return h
}
