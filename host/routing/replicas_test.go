package routing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// Other policies over the copies of redundant: round_robin with mode reads, and
// custom with a planner.

func switches(t testing.TB) (all []*switched, children []Child) {
	t.Helper()
	for _, name := range names {
		s := newSwitched(t)
		all, children = append(all, s), append(children, s.child(name))
	}
	return all, children
}

func TestChildrenThatShareABackendAreRefused(t *testing.T) {
	made := map[string][]string{"policy.a": {"always_use", "backend.a"}, "policy.b": {"always_use", "backend.b"}}
	ask := func(ref string) []string { return made[ref] }
	for name, of := range map[string]func(other string) Checker{
		"redundant":    func(other string) Checker { return Redundant{Replicas: []string{"backend.a", other}} },
		"round_robin":  func(other string) Checker { return RoundRobin{Backends: []string{"backend.a", other}} },
		"shard":        func(other string) Checker { return Shard{Shards: []string{"backend.a", other}} },
		"custom":       func(other string) Checker { return Custom{Planner: "p", Backends: []string{"backend.a", other}} },
		"prefer_cache": func(other string) Checker { return PreferCache{Cache: "backend.a", Source: other} },
	} {
		if diags := of("policy.a").Check(ask); !diags.HasErrors() || len(diags[0].Path) == 0 {
			t.Errorf("%s over one backend twice: %v", name, diags)
		}
		if diags := of("policy.b").Check(ask); diags.HasErrors() {
			t.Errorf("%s over two backends: %v", name, diags)
		}
	}
}

// byLength has each key at two of the children, chosen by its length.
type byLength struct{}

func (byLength) Plan(r PlanRequest) (Plan, error) {
	first := len(r.Key) % len(r.Children)
	return Plan{Targets: []int{first, (first + 1) % len(r.Children)}, Write: WriteAll}, nil
}

func TestPoliciesOverCopiesConformance(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Policy{
		"round_robin":                  RoundRobin{Backends: names, Weights: map[string]int{"a": 2}},
		"round_robin, write by quorum": RoundRobin{Backends: names, Write: WriteQuorum},
		"custom, planner":              Custom{Planner: "by-length", Backends: names},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend {
					_, children := switches(t)
					env := testEnv(t)
					env.Planners = map[string]Planner{"by-length": byLength{}}
					return layer.Reserved()(build(t, p, env, children...))
				},
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}

func TestReadsTakeTurnsByWeight(t *testing.T) {
	all, children := switches(t)
	p := build(t, RoundRobin{Backends: names, Weights: map[string]int{"a": 2}}, testEnv(t), children...)
	put(t, p, "k", "v")
	before := make([]int64, len(all))
	for i, s := range all {
		before[i] = s.calls.Load()
	}
	for range 40 {
		if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "v" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	for i, want := range []int64{20, 10, 10} {
		if got := all[i].calls.Load() - before[i]; got != want {
			t.Errorf("%s was read %d times of 40, want %d", names[i], got, want)
		}
	}
	all[0].state(event.BreakerOpen)
	at := all[0].calls.Load()
	for range 10 {
		if _, err := read(t, p, "k", storage.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if all[0].calls.Load() != at {
		t.Error("a child whose breaker is open was read")
	}
}

// A write that needs all had failed at one. Who had read the new version was shown
// the old one in the next turn.
func TestTurnsStandStillWhileAKeyIsNotTheSameEverywhere(t *testing.T) {
	all, children := switches(t)
	p := build(t, RoundRobin{Backends: names}, testEnv(t), children...)
	put(t, p, "k", "old")
	all[2].failWrites(storage.CodeUnavailable)
	if _, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{}); err == nil {
		t.Fatal("it was acknowledged")
	}
	for range 2 * len(all) {
		if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "new" {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestAMissAsksTheNextInTurn(t *testing.T) {
	all, children := switches(t)
	for _, s := range all[1:] {
		put(t, s.Store, "k", "v") // it was there before the policy
	}
	p := build(t, RoundRobin{Backends: names}, testEnv(t), children...)
	for range 6 {
		if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "v" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	wantHeld(t, all, "k", "v", "v", "v") // and the one that missed it has it now
}

func TestAPlannedKeyIsWhereThePlanSays(t *testing.T) {
	all, children := switches(t)
	env := testEnv(t)
	env.Planners = map[string]Planner{"by-length": byLength{}}
	p := build(t, Custom{Planner: "by-length", Backends: names}, env, children...)
	for key, want := range map[string][]string{"k": {"", "k", "k"}, "kk": {"kk", "", "kk"}, "kkk": {"kkk", "kkk", ""}} {
		put(t, p, key, key)
		if held := heldBy(t, all, key); !slices.Equal(held, want) {
			t.Errorf("%s is held as %q, want %q", key, held, want)
		}
	}
	page, err := p.List(t.Context(), storage.ListOptions{})
	if err != nil || len(page.Objects) != 3 {
		t.Errorf("the listing: %+v, %v", page, err)
	}
	all[0].fail(storage.CodeUnavailable)
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "k" {
		t.Errorf("a key that is elsewhere: %q, %v", got, err)
	}
	_, err = p.Stat(t.Context(), "mm", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound) // the other of its two has every write
	_, err = p.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
}

func TestAPlannerAtFaultFailsTheOperationAlone(t *testing.T) {
	for name, plan := range map[string]planFunc{
		"panics":        func(PlanRequest) (Plan, error) { panic("boom") },
		"no targets":    func(PlanRequest) (Plan, error) { return Plan{}, nil },
		"out of range":  func(PlanRequest) (Plan, error) { return Plan{Targets: []int{3}}, nil },
		"one twice":     func(PlanRequest) (Plan, error) { return Plan{Targets: []int{1, 1}}, nil },
		"a bad concern": func(PlanRequest) (Plan, error) { return Plan{Targets: []int{1}, Write: "most"}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			_, children := switches(t)
			env := testEnv(t)
			env.Planners = map[string]Planner{"it": plan}
			p := build(t, Custom{Planner: "it", Backends: names}, env, children...)
			_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			if e := wantCode(t, err, storage.CodeInternal); e.OutcomeUnknown || !strings.Contains(err.Error(), "the planner is at fault") {
				t.Errorf("got %v", err)
			}
		})
	}
	refusing := errors.New("not today")
	_, children := switches(t)
	env := testEnv(t)
	env.Planners = map[string]Planner{"it": planFunc(func(PlanRequest) (Plan, error) {
		return Plan{}, storage.Errorf(storage.CodePermissionDenied, "%w", refusing)
	})}
	p := build(t, Custom{Planner: "it", Backends: names}, env, children...)
	_, err := read(t, p, "k", storage.GetOptions{})
	if wantCode(t, err, storage.CodePermissionDenied); !errors.Is(err, refusing) {
		t.Errorf("got %v", err)
	}
}

func TestReplicasThatCannotKeepTheirOwnCopiesAreRefused(t *testing.T) {
	kinds := map[string][]string{
		"policy.cache": {"prefer_cache"}, "policy.failover": {"first_available"}, "policy.copies": {"redundant"},
		"policy.nested": {"shard", "redundant"}, "policy.shard": {"shard", "always_use"}, "policy.moving": {"custom"},
	}
	ask := func(ref string) []string { return kinds[ref] }
	for _, ref := range slices.Sorted(maps.Keys(kinds)) {
		for name, c := range map[string]Checker{
			"redundant":   Redundant{Replicas: []string{"backend.a", ref}},
			"round_robin": RoundRobin{Backends: []string{"backend.a", ref}},
			"custom":      Custom{Planner: "p", Backends: []string{"backend.a", ref}},
		} {
			diags := c.Check(ask)
			if ok := ref == "policy.shard"; ok == diags.HasErrors() {
				t.Errorf("%s over %s: %v", name, ref, diags)
			} else if !ok && fmt.Sprint(diags[0].Path) == "" {
				t.Errorf("%s over %s: the diagnostic has no place", name, ref)
			}
		}
	}
}

func TestTheFirstInTheConfigurationDecidesWhateverThePlansOrder(t *testing.T) {
	all, children := switches(t)
	env := testEnv(t)
	env.Planners = map[string]Planner{"back-to-front": planFunc(func(PlanRequest) (Plan, error) {
		return Plan{Targets: []int{2, 1, 0}}, nil
	})}
	p := build(t, Custom{Planner: "back-to-front", Backends: names}, env, children...)
	all[0].fail(storage.CodeUnavailable)
	_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{If: storage.IfAbsent()})
	wantCode(t, err, storage.CodeUnavailable)
	put(t, p, "k", "v")
	if n := all[2].calls.Load(); n == 0 {
		t.Error("the last was not asked")
	}
}
