package routing

import (
	"errors"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/storetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// lateTrio are three children of which the first lets a write land after it was
// given up, and the others fail before it.
func lateTrio(t *testing.T, seed uint64) (all []*storetest.Child, children []Child) {
	t.Helper()
	for i, name := range names {
		c := storetest.NewChild(storetest.ChildOptions{Name: name, Seed: seed})
		kind := storetest.FailBefore
		if i == 0 {
			kind = storetest.Late
		}
		c.Inject(storetest.Fault{Kind: kind, Op: "put"})
		all, children = append(all, c), append(children, Child{Name: name, Store: storage.Complete(c.Connect())})
	}
	return all, children
}

func TestADeleteIsNotUndoneByAPutThatWasGivenUpBefore(t *testing.T) {
	for seed := range uint64(20) {
		all, children := lateTrio(t, seed)
		s := build(t, Redundant{Replicas: names}, testEnv(t), children...)
		if _, err := s.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); !storage.AsError(err).OutcomeUnknown {
			t.Fatalf("got %v", err)
		}
		if _, err := s.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			c.Heal()
		}
		if value, err := read(t, s, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong}); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("seed %d: the deleted object is back: %q, %v", seed, value, err)
		}
	}
}
