package routing

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Shard is the policy "shard": every key belongs to one of its children, by
// weighted rendezvous hashing of the key and the children's references.
//
// If the owner of a key is down, operations on that key are Unavailable and
// name it; no other child is ever used in its place. Conditional writes are
// decided by the owner. Etags are qualified by the child they come from. A
// listing merges those of all children, and fails with any of them unless
// partial results are allowed. A batch is split among the owners; atomic
// batches, transactions and Watch are Unimplemented. The capabilities are those
// that all children have.
//
// A child must be the shard's own, or at least hold no keys of others that the
// shard could be asked for: what a child has is seen if it is the owner.
type Shard struct {
	Shards  []string           `stowage:"shards,required,ref" doc:"Backends or policies that share the keys."`
	Weights map[string]float64 `stowage:"weights" doc:"By name, the share of the keys that one gets, relative to the others. 1 where nothing is said."`
}

// Build implements [Policy].
func (o Shard) Build(name string, _ Env, child func(string) (Child, error)) (storage.Store, error) {
	children, err := childrenOf(name, "shards", o.Shards, child)
	if err != nil {
		return nil, err
	}
	weights, _, err := weigh(o.Shards, o.Weights)
	if err != nil {
		return nil, refused(name, "%w", err)
	}
	ring := newRendezvous(o.Shards, weights)
	s := newKeyed(name, children, func(key string) (int, error) { return ring.owner(key), nil })
	return complete(&s), nil
}

// Check implements [Checker].
func (o Shard) Check(func(string) []string) schema.Diagnostics {
	return checkWeights(o.Shards, o.Weights)
}

func checkWeights[N int | float64](refs []string, weights map[string]N) schema.Diagnostics {
	if _, entry, err := weigh(refs, weights); err != nil {
		return schema.Diagnostics{schema.Errorf(cty.GetAttrPath("weights").IndexString(entry), "Wrong weight", "%s.", err)}
	}
	return nil
}
