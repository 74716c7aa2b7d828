package routing

import (
	"context"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxReplicas is the most copies that a policy keeps.
const MaxReplicas = 16

// Redundant is the policy "redundant": every object is kept by all of its
// replicas, and is there as long as enough of them are.
//
// A write goes to all replicas at once and is acknowledged when Write says so
// and everything that a replica may lack is durable in the host's journal; a
// replica that was away is given what it missed when it is back. Too few
// acknowledgements are Unavailable, with the outcome at each replica, and
// OutcomeUnknown if any may have it. Deletes leave tombstones, which repair
// collects.
//
// A read of default consistency is answered as Read says, and always sees the
// writes of this host that were acknowledged before. Strong reads are
// linearizable with all writes of this host, and with those of other hosts if
// the replicas have ConditionalPut. Conditional writes are decided by the first
// replica, after it was brought to the newest version; without it they are
// Unavailable. Those of several hosts exclude one another; an unconditional
// write of another host that the first replica missed may be overtaken by one.
//
// The etags are the policy's own, the same whichever replica answers. Expiry
// and the levels of consistency are the policy's own work, so that replicas
// need not know them.
type Redundant struct {
	Replicas []string `stowage:"replicas,required,ref" doc:"Backends or policies that each keep a copy of everything. The first decides conditional writes; reads prefer those that come first."`
	Write    Concern  `stowage:"write" enum:"one,quorum,all" default:"quorum" doc:"How many replicas must have a write before it is acknowledged. What the others miss they are given later."`
	Read     Reading  `stowage:"read" enum:"first,quorum,verify" default:"first" doc:"How reads are answered that ask for no consistency: by the first replica that has all writes of this host, by the newest of a quorum, or by that with its SHA-256 compared."`
}

// Check implements [Checker].
func (o Redundant) Check(kinds func(string) []string) schema.Diagnostics {
	return append(checkReplicas("replicas", o.Replicas, kinds), checkApart("replicas", o.Replicas, kinds)...)
}

// checkReplicas refuses children that cannot keep a copy of their own.
func checkReplicas(attribute string, refs []string, kinds func(string) []string) schema.Diagnostics {
	var diags schema.Diagnostics
	refuse := func(i int, summary, detail string) {
		diags = append(diags, schema.Errorf(cty.GetAttrPath(attribute).IndexInt(i), summary, "%s", detail))
	}
	if len(refs) > MaxReplicas {
		refuse(MaxReplicas, "Too many replicas", "At most 16 copies can be kept.")
	}
	for i, ref := range refs {
		beneath := kinds(ref)
		switch {
		case slices.Contains(beneath, "prefer_cache"):
			refuse(i, "A cache cannot be a replica", "Replicas are asked what they really hold, and a cache may answer with what it remembers. Put the cache over this policy: policy \"prefer_cache\" { source = this one }.")
		case slices.ContainsFunc(beneath, func(kind string) bool { return slices.Contains([]string{"redundant", "round_robin", "custom"}, kind) }):
			refuse(i, "Versions beneath versions", "A policy that gives versions of its own to what it keeps cannot be a replica: both would be mixed up. Name the backends themselves.")
		case slices.Contains(beneath, "first_available"):
			refuse(i, "Failover beneath replicas", "A replica that answers from another backend than it writes to cannot say what it holds. Name the backends themselves.")
		}
	}
	return diags
}

// Build implements [Policy].
func (o Redundant) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	children, err := childrenOf(name, "replicas", o.Replicas, child)
	if err != nil {
		return nil, err
	}
	if len(children) > MaxReplicas {
		return nil, refused(name, "%d replicas are too many; at most %d copies can be kept", len(children), MaxReplicas)
	}
	e, err := newReplicated("redundant", name, env, children)
	if err != nil {
		return nil, err
	}
	set := copySet{replicas: e.all, write: o.Write.needs(len(children)), reading: o.Read}
	e.plan = func(event.Op, string) (copySet, error) { return set, nil }
	e.start()
	return newReplicatedStore(e), nil
}

// replicatedStore is an engine as a Store.
type replicatedStore struct {
	storage.Store
	engine *replicated
}

func newReplicatedStore(e *replicated) replicatedStore {
	return replicatedStore{storage.Complete(e), e}
}

// Backlogs implements [Reporter].
func (s replicatedStore) Backlogs() []journal.Backlog { return s.engine.Backlogs() }

// Repair implements [Repairer].
func (s replicatedStore) Repair(ctx context.Context, opts RepairOptions) (RepairReport, error) {
	return s.engine.Repair(ctx, opts)
}
