package routing

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/internal/storetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// promise is a policy and what it promises; a new one needs a row in promises to
// be run against the model and the checker of histories.
type promise struct {
	policy  Policy
	harness storetest.Harness
	// journal: it needs one.
	journal bool
	// linear: Strong reads and conditional writes are linearizable.
	linear bool
}

// abc are the children of policies under test.
func abc(n int) []storetest.ChildOptions {
	return []storetest.ChildOptions{{Name: "backend.a"}, {Name: "backend.b"}, {Name: "backend.c"}}[:n]
}

// most reports whether fewer than half are faulty.
func most(faulty []bool) bool {
	n := 0
	for _, is := range faulty {
		if is {
			n++
		}
	}
	return n < (len(faulty)+1)/2
}

func promises() map[string]promise {
	three := []string{"backend.a", "backend.b", "backend.c"}
	replicated := storetest.Harness{Children: abc(3), Replicated: true, Repair: repair}
	quorum := replicated
	quorum.Serves = func(op string, faulty []bool) bool {
		conditional := op == "put if" || op == "delete if"
		return most(faulty) && (!conditional || !faulty[0])
	}
	placed := storetest.Harness{Children: abc(3), Single: true}
	cached := PreferCache{Cache: "backend.cache", Source: "policy.source"}
	through := cached
	through.Source, through.Write = "backend.a", writeThrough
	forgets := storetest.ChildOptions{Name: "backend.cache", Volatile: true}
	lossy := func(name string) bool { return name == forgets.Name }
	caching := storetest.Harness{
		Children: append(abc(1), forgets), Lossy: lossy,
		Serves: func(_ string, faulty []bool) bool { return !faulty[0] },
	}
	cachingCopies := storetest.Harness{Children: append(abc(3), forgets), Lossy: lossy}
	kept := caching
	kept.Children = append(abc(1), storetest.ChildOptions{Name: forgets.Name})
	return map[string]promise{
		"prefer_cache, durable cache": {policy: through, linear: true, harness: kept},
		"always_use": {
			policy:  AlwaysUse{Backend: "backend.a"},
			harness: storetest.Harness{Children: abc(1)},
			linear:  true,
		},
		"first_available": {
			policy: FirstAvailable{Order: three},
			harness: storetest.Harness{
				Children: abc(3), ManyETags: true, Forgets: true, Seeds: func(string) bool { return true },
				Serves: func(_ string, faulty []bool) bool { return !faulty[0] },
			},
			linear: true,
		},
		"first_available, failover": {
			policy:  FirstAvailable{Order: three, Writes: "failover"},
			harness: storetest.Harness{Children: abc(3), ManyETags: true, Drift: time.Minute},
			journal: true, linear: true,
		},
		"prefer_cache":          {policy: PreferCache{Cache: "backend.cache", Source: "backend.a", StaleIfError: time.Minute, StaleWhileRevalidate: time.Minute}, harness: caching, linear: true},
		"prefer_cache, through": {policy: through, harness: caching, linear: true},
		"prefer_cache over redundant": {
			policy:  nested{cached, map[string]Policy{"source": Redundant{Replicas: three}}},
			harness: cachingCopies, journal: true, linear: true,
		},
		"shard over redundant": {
			policy: nested{
				Shard{Shards: []string{"policy.one", "policy.two"}},
				map[string]Policy{"one": Redundant{Replicas: three[:2]}, "two": Redundant{Replicas: three[1:], Write: WriteOne}},
			},
			harness: storetest.Harness{Children: abc(3)}, journal: true, linear: true,
		},
		"redundant":                           {policy: Redundant{Replicas: three}, harness: quorum, journal: true, linear: true},
		"redundant, all written, quorum read": {policy: Redundant{Replicas: three, Write: WriteAll, Read: ReadQuorum}, harness: replicated, journal: true, linear: true},
		"redundant, one written, verified":    {policy: Redundant{Replicas: three, Write: WriteOne, Read: ReadVerify}, harness: replicated, journal: true, linear: true},
		"round_robin":                         {policy: RoundRobin{Backends: three}, harness: replicated, journal: true, linear: true},
		"round_robin, quorum written":         {policy: RoundRobin{Backends: three, Write: WriteQuorum}, harness: quorum, journal: true, linear: true},
		"round_robin, placement":              {policy: RoundRobin{Backends: three, Mode: RoundRobinPlacement}, harness: placed, journal: true, linear: true},
		"shard":                               {policy: Shard{Shards: three}, harness: placed, journal: true, linear: true},
		"custom, by key": {
			policy:  Custom{Place: `startswith(key, "a") ? backend.a : backend.b`},
			harness: placed, linear: true,
		},
		"custom, by size": {
			policy:  Custom{Place: "size > 1000 ? backend.a : size > 60 ? backend.b : backend.c"},
			harness: placed, journal: true, linear: true,
		},
		"custom, by a planner": {
			policy:  Custom{Planner: "test", Backends: three},
			harness: storetest.Harness{Children: abc(3), Repair: repair}, journal: true, linear: true,
		},
	}
}

// nested is a policy over others, which it knows as policy.NAME.
type nested struct {
	Policy
	under map[string]Policy
}

func (n nested) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	all := nest{}
	build := func(name string, p Policy, child func(string) (Child, error)) error {
		s, err := p.Build(name, env, child)
		if err != nil {
			return errors.Join(err, all.Close(context.Background()))
		}
		all.Store, all.closing = s, append(all.closing, s)
		return nil
	}
	built := make(map[string]storage.Store)
	for under, p := range n.under {
		if err := build(under, p, child); err != nil {
			return nil, err
		}
		built["policy."+under] = all.Store
	}
	err := build(name, n.Policy, func(ref string) (Child, error) {
		if s, ok := built[ref]; ok {
			return Child{Name: ref, Store: s}, nil
		}
		return child(ref)
	})
	return all, err
}

// nest closes what was built last first.
type nest struct {
	storage.Store
	closing []storage.Store
}

func (n nest) Close(ctx context.Context) error {
	var errs []error
	for _, s := range slices.Backward(n.closing) {
		errs = append(errs, s.Close(ctx))
	}
	return errors.Join(errs...)
}

// byFirstByte keeps a key at two of the children.
type byFirstByte struct{}

func (byFirstByte) Plan(r PlanRequest) (Plan, error) {
	first := int(r.Key[0]) % len(r.Children)
	return Plan{Targets: []int{first, (first + 1) % len(r.Children)}, Write: WriteAll}, nil
}

// harnessOf completes the harness of a row: it opens the policy with a journal.
func harnessOf(p promise) storetest.Harness {
	h := p.harness
	h.Open = func(env storetest.Env) (storage.Store, error) {
		var children []Child
		for _, c := range env.Children {
			children = append(children, Child{Name: c.Name, Store: c.Store, State: c.State})
		}
		if !p.journal {
			return p.policy.Build("p", Env{}, Children(children...))
		}
		j, err := journal.Open(env.Dir, journal.Options{})
		if err != nil {
			return nil, err
		}
		s, err := p.policy.Build("p", Env{Journal: j, Planners: map[string]Planner{"test": byFirstByte{}}}, Children(children...))
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		return journaled{s, j}, nil
	}
	return h
}

// journaled is a policy with the journal of its host.
type journaled struct {
	storage.Store
	journal *journal.Journal
}

func (s journaled) Close(ctx context.Context) error {
	return errors.Join(s.Store.Close(ctx), s.journal.Close())
}

func repair(ctx context.Context, s storage.Store) error {
	j, _ := s.(journaled)
	r, _ := j.Store.(Repairer)
	report, err := r.Repair(ctx, RepairOptions{Restart: true, Rate: -1})
	if err == nil && (!report.Complete || report.Failed > 0) {
		err = storage.Errorf(storage.CodeInternal, "the repair is not complete: %+v", report)
	}
	return err
}

func TestPoliciesKeepToTheModel(t *testing.T) {
	t.Parallel()
	for name, p := range promises() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.RunModel(t, harnessOf(p))
		})
	}
}

// shortSighted is a redundant policy that is broken: its reads ask one replica,
// which need not be among those that have the last write.
type shortSighted struct{ Redundant }

func (o shortSighted) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	children, err := childrenOf(name, "replicas", o.Replicas, child)
	if err != nil {
		return nil, err
	}
	e, err := newReplicated("redundant", name, env, children)
	if err != nil {
		return nil, err
	}
	var turn atomic.Uint32
	e.plan = func(op event.Op, _ string) (copySet, error) {
		if op == event.OpGet || op == event.OpStat {
			one := turn.Add(1) % 3
			return copySet{replicas: e.all[one : one+1], write: 1}, nil
		}
		return copySet{replicas: e.all, write: 2}, nil
	}
	e.start()
	return newReplicatedStore(e), nil
}

func overlapless() promise {
	return promise{
		policy:  shortSighted{Redundant{Replicas: []string{"backend.a", "backend.b", "backend.c"}}},
		harness: storetest.Harness{Children: abc(3)}, journal: true,
	}
}

func TestTheCheckerFindsThatReadsOfTooFewReplicasAreNotLinearizable(t *testing.T) {
	err := storetest.FindNonlinearizable(t, harnessOf(overlapless()), storetest.LinearOptions{Rounds: 20})
	if err == nil {
		t.Fatal("it found nothing")
	}
	t.Log(err)
}

func TestTheModelFindsThatReadsOfTooFewReplicasAreStale(t *testing.T) {
	for range 10 { // one run of the model may well not come across it
		if err := storetest.FindModelFault(t, harnessOf(overlapless())); err != nil {
			t.Log(err)
			return
		}
	}
	t.Fatal("it found nothing")
}

func TestStrongOperationsOfPoliciesAreLinearizable(t *testing.T) {
	t.Parallel()
	for name, p := range promises() {
		if p.linear {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				storetest.RunLinearizable(t, harnessOf(p), storetest.LinearOptions{})
			})
		}
	}
}

func TestStrongOperationsOfPoliciesAreLinearizableWhileTheirHostIsKilled(t *testing.T) {
	t.Parallel()
	for name, p := range promises() {
		if p.linear {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				storetest.RunLinearizable(t, harnessOf(p), storetest.LinearOptions{Kill: true})
			})
		}
	}
}
