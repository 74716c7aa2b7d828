package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/host/journal"
)

// maxTopologies bounds the topologies that a shard has not fully migrated from.
const maxTopologies = 16

// topology is what decides which child a key belongs to.
type topology struct {
	ID      uint64    `json:"id"`
	Shards  []string  `json:"shards"`
	Weights []float64 `json:"weights"`
}

func (t topology) same(o topology) bool {
	return slices.Equal(t.Shards, o.Shards) && slices.Equal(t.Weights, o.Weights)
}

// sorted returns t in the order of the names, which does not matter to who owns
// what.
func (t topology) sorted() topology {
	order := make([]int, len(t.Shards))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(t.Shards[a], t.Shards[b]) })
	s := topology{ID: t.ID}
	for _, i := range order {
		s.Shards, s.Weights = append(s.Shards, t.Shards[i]), append(s.Weights, t.Weights[i])
	}
	return s
}

// topologies are the last topology of a shard, and those before that it has not
// fully migrated from, the oldest first.
//
// Three values of the journal keep them: the topologies, written when the shard
// is built; which of them are settled, written when a migration ends; and how
// far a migration is.
type topologies struct {
	Current topology   `json:"current"`
	Earlier []topology `json:"earlier,omitempty"`
}

// cursor is how far the migration to a topology is.
type cursor struct {
	ID    uint64 `json:"id"`              // of the topology
	Child string `json:"child,omitempty"` // whose keys are looked at
	Token string `json:"token,omitempty"` // of the page to go on with
	// Found counts the misplaced keys of this pass, and Failed those that could
	// not be moved.
	Found  int `json:"found,omitempty"`
	Failed int `json:"failed,omitempty"`
}

func topologyValue(policy string) string { return "shard/" + policy }
func settledValue(policy string) string  { return "shard/" + policy + "/settled" }
func cursorValue(policy string) string   { return "shard/" + policy + "/cursor" }

// adopt makes now the topology of the policy and returns all that count.
func adopt(j *journal.Journal, policy string, now topology) (topologies, error) {
	now = now.sorted()
	var all topologies
	var settled uint64
	if err := errors.Join(load(j, topologyValue(policy), &all), load(j, settledValue(policy), &settled)); err != nil {
		return all, err
	}
	all.Earlier = slices.DeleteFunc(all.Earlier, func(t topology) bool { return t.ID < settled })
	if all.Current.same(now) {
		return all, nil
	}
	now.ID = all.Current.ID + 1
	if all.Current.ID > 0 {
		all.Earlier = append(all.Earlier, all.Current)
	}
	all.Earlier = slices.DeleteFunc(all.Earlier, now.same)
	if len(all.Earlier) > maxTopologies {
		return all, fmt.Errorf("the shards were changed %d times while their keys had not all moved; go back to the last configuration and wait until they have", len(all.Earlier))
	}
	all.Current = now
	return all, save(j, topologyValue(policy), all)
}

func load(j *journal.Journal, name string, into any) error {
	raw, err := j.Value(name)
	if err != nil || raw == nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the journal's value %q: %w", name, err)
	}
	return nil
}

func save(j *journal.Journal, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return j.SetValue(name, raw)
}
