package routing

import (
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// RoundRobin is the policy "round_robin": its children take turns, in proportion
// to their weights.
//
// With mode reads all children keep the same: they are replicas as those of
// [Redundant], with its promises about writes, etags, conditions and
// consistency. A write is acknowledged when all have it, unless Write says
// otherwise. Reads of default consistency go to each replica in turn, passing
// over those whose breaker is open or that lack a write of this host; one that
// has not the key passes the read on to the next. While a key is being written
// its reads all begin at the first replica, so that nobody sees a new version
// and then an old one.
//
// With mode placement each object is in one of the children. New keys go to them
// in turn, passing over those whose breaker is not closed; an overwrite or a
// delete goes where the object is. That is remembered for the last
// [RememberedOwners] keys, and found out by asking all children for others. So
//
//   - NotFound is an answer only if all children gave it; a default read of an
//     object that was found, or is remembered, needs only the child that has it;
//     a read that asks for more needs all.
//   - A new object needs all children to say that they do not have it. With a
//     journal, one that is down may be missed: it then owes the removal of what
//     it may have of the key. Without one such a put is Unavailable.
//   - A put on the condition that the key is absent goes to the child that the
//     key's hash chooses, so that of several hosts only one succeeds.
//   - Of several copies, which only several hosts can make, the newest counts.
//
// Etags are qualified by the child they come from. A listing merges those of all
// children. Batches are done one by one; atomic batches, transactions and Watch
// are Unimplemented. The capabilities are those that all children have.
type RoundRobin struct {
	Backends []string       `stowage:"backends,required,ref" doc:"Backends or policies that take turns."`
	Mode     string         `stowage:"mode" enum:"reads,placement" default:"reads" doc:"reads: all have the same data and take turns at answering. placement: each object is in one of them, and they take turns at new ones."`
	Write    Concern        `stowage:"write" enum:"one,quorum,all" default:"all" doc:"With mode reads: how many must have a write before it is acknowledged. What the others miss they are given later."`
	Weights  map[string]int `stowage:"weights" doc:"By name, how many turns one gets while the others get theirs. 1 where nothing is said."`
}

// The modes of a RoundRobin. The empty one means RoundRobinReads.
const (
	RoundRobinReads     = "reads"
	RoundRobinPlacement = "placement"
)

// Build implements [Policy].
func (o RoundRobin) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	children, err := childrenOf(name, "backends", o.Backends, child)
	if err != nil {
		return nil, err
	}
	weights, _, err := weigh(o.Backends, o.Weights)
	if err != nil {
		return nil, refused(name, "%w", err)
	}
	switch o.Mode {
	case "", RoundRobinReads:
		return o.buildReads(name, env, children, weights)
	case RoundRobinPlacement:
		return complete(newPlaced(name, env, children, newInTurn(o.Backends, weights))), nil
	default:
		return nil, refused(name, "mode = %q is not known; use \"reads\" or \"placement\"", o.Mode)
	}
}

// buildReads builds the mode reads: copies as those of [Redundant], of which each
// has its turn at being read.
func (o RoundRobin) buildReads(name string, env Env, children []Child, weights []int) (storage.Store, error) {
	e, err := newReplicated("round_robin", name, env, children)
	if err != nil {
		return nil, err
	}
	if o.Write == "" {
		o.Write = WriteAll
	}
	set := copySet{replicas: e.all, write: o.Write.needs(len(children)), reading: ReadFirst}
	turns := newRotation(weights)
	down := func(i int) bool { return !e.usable(e.all[i]) }
	e.plan = func(op event.Op, _ string) (copySet, error) {
		s := set
		if op == event.OpGet || op == event.OpStat {
			s.start = max(turns.next(down), 0)
		}
		return s, nil
	}
	e.start()
	return newReplicatedStore(e), nil
}

// Check implements [Checker].
func (o RoundRobin) Check(kinds func(string) []string) schema.Diagnostics {
	diags := append(checkWeights(o.Backends, o.Weights), checkApart("backends", o.Backends, kinds)...)
	if o.Mode == "" || o.Mode == RoundRobinReads {
		diags = append(diags, checkReplicas("backends", o.Backends, kinds)...)
	}
	return diags
}

// inTurn chooses a child for new keys by rotation; objects stay where they are.
type inTurn struct {
	turns  *rotation
	hashed *rendezvous
}

func newInTurn(refs []string, weights []int) inTurn {
	of := make([]float64, len(weights))
	for i, w := range weights {
		of[i] = float64(w)
	}
	return inTurn{newRotation(weights), newRendezvous(refs, of)}
}

func (inTurn) place(placing) (int, error) { return nowhere, nil }

func (o inTurn) create(key string, absent bool, skip func(i int) bool) int {
	if absent {
		return o.hashed.owner(key)
	}
	return o.turns.next(skip)
}
