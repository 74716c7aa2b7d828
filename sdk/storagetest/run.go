package storagetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Harness is how [Run] and [Bench] come by backends.
type Harness struct {
	// Open opens a backend; it fails t if it cannot. Run calls it once for
	// each group of cases and closes what it returned when the group is done.
	Open func(t testing.TB) storage.Backend
	// Reopen closes b, or kills what is behind it, and opens the same data
	// again. Without it the durability cases are skipped.
	Reopen func(t testing.TB, b storage.Backend) storage.Backend
	// Options of the run.
	Options Options
}

// Run runs every case as a subtest: group/name. Cases of one group share a
// backend; none runs in parallel with another.
func Run(t *testing.T, h Harness) {
	rules := allRules()
	for len(rules) > 0 {
		group := rules[0].group
		end := slices.IndexFunc(rules, func(r rule) bool { return r.group != group })
		if end < 0 {
			end = len(rules)
		}
		t.Run(group, func(t *testing.T) { runGroup(t, h, rules[:end]) })
		rules = rules[end:]
	}
}

func runGroup(t *testing.T, h Harness, rules []rule) {
	opts := h.Options
	if h.Reopen != nil {
		opts.Reopen = func(_ context.Context, b storage.Backend) (storage.Backend, error) { return h.Reopen(t, b), nil }
	}
	s := newSuite(h.Open(t), opts)
	defer func() {
		if err := s.backend.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the backend: %v", err)
		}
		if len(s.leftovers) > 0 {
			t.Logf("keys that could not be deleted: %q", s.leftovers)
		}
	}()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			switch res := s.run(t.Context(), r); res.Status {
			case Failed:
				t.Error(res.Reason)
			case Skipped:
				t.Skip(strings.TrimSpace(res.Reason))
			}
		})
	}
}
