package routing

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultMoveRate is the MoveRate of a [Shard] that names none.
const DefaultMoveRate = 200

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
// When the shards or their weights change, keys move. With a journal the policy
// remembers the last topology and those before that it has not fully migrated
// from. Until it has, a read asks the new owner of a key, then the earlier ones,
// and the new one once more; a write moves the key first and then acts at the
// new owner; a delete begins with the earlier owners; and all misplaced keys are
// moved in the background: copied, compared by size and CRC-32C, and deleted
// where they were if they have not changed. An operation that would ask an
// earlier owner is Unavailable while that is down. An object that moves gets
// another etag.
//
// Hosts that share the children must change their topology together: one with an
// earlier topology does not find what another has moved. A listing through one
// host can miss an object that another is moving at the time. Between children
// without ConditionalPut and ConditionalDelete only one host may migrate.
//
// Without a journal nothing is remembered, and keys that a change of the
// topology gives to another child are not found there.
//
// A child must be the shard's own, or at least hold no keys of others that the
// shard could be asked for: what a child has is seen if it is the owner.
type Shard struct {
	Shards   []string           `stowage:"shards,required,ref" doc:"Backends or policies that share the keys."`
	Weights  map[string]float64 `stowage:"weights" doc:"By name, the share of the keys that one gets, relative to the others. 1 where nothing is said."`
	Previous []string           `stowage:"previous,ref" doc:"Those that were among the shards and may still have keys, until these have moved."`
	MoveRate int                `stowage:"move_rate" default:"200" min:"1" max:"1000000" doc:"How many objects per second are moved at most after the shards or their weights changed."`
}

// Build implements [Policy].
func (o Shard) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	if o.MoveRate == 0 {
		o.MoveRate = DefaultMoveRate
	}
	children, err := childrenOf(name, "shards", o.Shards, child)
	if err != nil {
		return nil, err
	}
	weights, _, err := weigh(o.Shards, o.Weights)
	if err != nil {
		return nil, refused(name, "%w", err)
	}
	ring := newRendezvous(o.Shards, weights)
	s := &shard{keyed: newKeyed(name, children, func(key string) (int, error) { return ring.owner(key), nil }), listener: env.Listener}
	s.all = s.children
	switch {
	case env.Journal != nil:
		if err := s.remember(env, o, topology{Shards: o.Shards, Weights: weights}, child); err != nil {
			return nil, err
		}
	case len(o.Previous) > 0:
		return nil, refused(name, "previous needs a journal: give the host a data_dir")
	}
	return complete(s), nil
}

// Check implements [Checker].
func (o Shard) Check(kinds func(string) []string) schema.Diagnostics {
	diags := append(checkWeights(o.Shards, o.Weights), checkApart("shards", o.Shards, kinds)...)
	for i, ref := range o.Previous {
		if slices.Contains(o.Shards, ref) {
			diags = append(diags, schema.Errorf(cty.GetAttrPath("previous").IndexInt(i), "Not previous", "%s is one of the shards; take it out of one of them.", ref))
		}
	}
	return diags
}

func checkWeights[N int | float64](refs []string, weights map[string]N) schema.Diagnostics {
	if _, entry, err := weigh(refs, weights); err != nil {
		return schema.Diagnostics{schema.Errorf(cty.GetAttrPath("weights").IndexString(entry), "Wrong weight", "%s.", err)}
	}
	return nil
}
