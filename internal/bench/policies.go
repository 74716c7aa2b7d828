package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/p2p-ai-agents/stowage/host/expression"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/plugins/memory/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// What policies cost: one caller gets a value of 128 bytes through a policy over
// children in memory, in this process, and the same from a bare child, in turn.
const (
	policyValueBytes = 128
	policyKey        = "some/key"
	// exampleExpression is one that moves large objects elsewhere.
	exampleExpression = `size > 1048576 ? backend.a : backend.b`
)

// quorumDelays are how long the three replicas of a quorum write take.
func quorumDelays() []time.Duration {
	return []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond}
}

// subject is something that is done again and again.
type subject struct {
	name string
	// over is what it is compared with, by name; empty: nothing.
	over string
	// limits of what it may cost more than over, or in all if that is empty; 0
	// for none.
	maxTime   time.Duration
	maxAllocs float64
	once      func() error
}

// cost holds the rounds of a subject: nanoseconds and allocations of each time,
// and what they are more than those of what it is compared with.
type cost struct {
	subject
	ns, allocs           []float64
	moreNS, moreAllocs   []float64
	withinNS, withinHeap bool
}

// measurePolicies measures all subjects in each of the rounds.
func measurePolicies(ctx context.Context, rounds int, turn time.Duration) (_ []cost, err error) {
	p, err := newPolicies(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close(context.WithoutCancel(ctx))) }()
	costs := make([]cost, len(p.subjects))
	for i, s := range p.subjects {
		costs[i].subject = s
		if _, _, err := repeat(ctx, s, turn/4); err != nil {
			return nil, err
		}
	}
	for round := range rounds {
		for i := range costs {
			c := &costs[(round+i)%len(costs)]
			ns, allocs, err := repeat(ctx, c.subject, turn/4)
			if err != nil {
				return nil, err
			}
			c.ns, c.allocs = append(c.ns, ns), append(c.allocs, allocs)
		}
	}
	for i := range costs {
		c := &costs[i]
		c.moreNS, c.moreAllocs = slices.Clone(c.ns), slices.Clone(c.allocs)
		for _, base := range costs {
			if base.name == c.over {
				for round := range c.ns {
					c.moreNS[round] -= base.ns[round]
					c.moreAllocs[round] -= base.allocs[round]
				}
			}
		}
		c.withinNS = c.maxTime == 0 || summarize(c.moreNS).Median <= float64(c.maxTime)
		c.withinHeap = c.maxAllocs == 0 || summarize(c.moreAllocs).Median <= c.maxAllocs
	}
	return costs, nil
}

// repeat does s for a while and returns nanoseconds and allocations of each time.
func repeat(ctx context.Context, s subject, turn time.Duration) (ns, allocs float64, err error) {
	const chunk = 64 // between two looks at the clock
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, n := time.Now(), 0
	for time.Since(begin) < turn {
		for range chunk {
			if err := s.once(); err != nil {
				return 0, 0, fmt.Errorf("%s: %w", s.name, err)
			}
		}
		if n += chunk; ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	return float64(took) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n), nil
}

// policies are the stores that are measured, and what they are made of.
type policies struct {
	subjects []subject
	dir      string
	journal  *journal.Journal
	stores   []storage.Store // in the order in which they were opened
}

func newPolicies(ctx context.Context) (p *policies, err error) {
	p = &policies{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
		}
	}()
	if p.dir, err = os.MkdirTemp("", "bench-of-policies-"); err != nil {
		return p, err
	}
	if p.journal, err = journal.Open(p.dir, journal.Options{}); err != nil {
		return p, err
	}
	bare, err := p.open(local.OpenMemory(local.MemoryOptions{}), nil)
	if err != nil {
		return p, err
	}
	p.subjects = append(p.subjects, subject{name: "bare child", once: p.getter(ctx, bare)})
	refs := []string{"backend.a", "backend.b", "backend.c"}
	for _, of := range []struct {
		name     string
		policy   routing.Policy
		measured bool // against the limits
	}{
		{"always_use", routing.AlwaysUse{Backend: refs[0]}, true},
		{"first_available", routing.FirstAvailable{Order: refs}, true},
		{"round_robin", routing.RoundRobin{Backends: refs}, true},
		{"shard", routing.Shard{Shards: refs}, true},
		{"redundant", routing.Redundant{Replicas: refs}, false},
		{"custom", routing.Custom{Place: `startswith(key, "some/") ? backend.a : backend.b`}, false},
	} {
		store, err := p.build(of.name, of.policy, refs)
		if err != nil {
			return p, err
		}
		s := subject{name: of.name, over: "bare child", once: p.getter(ctx, store)}
		if of.measured {
			s.maxTime, s.maxAllocs = 2*time.Microsecond, 4
		}
		p.subjects = append(p.subjects, s)
	}
	if err := p.addCache(ctx); err != nil {
		return p, err
	}
	program, err := expression.CompileText(exampleExpression)
	if err != nil {
		return p, err
	}
	p.subjects = append(p.subjects, subject{name: "expression", maxTime: 3 * time.Microsecond, once: func() error {
		_, err := program.Place(expression.Attributes{Key: policyKey, Size: policyValueBytes, Op: "put"})
		return err
	}})
	return p, p.fill(ctx)
}

func (p *policies) addCache(ctx context.Context) error {
	cache, err := memory.Open(memory.Options{})
	inMemory, err := p.open(cache, err)
	if err != nil {
		return err
	}
	source, err := p.open(local.OpenMemory(local.MemoryOptions{}), nil)
	if err != nil {
		return err
	}
	cached, err := routing.PreferCache{Cache: "backend.cache", Source: "backend.source"}.Build("prefer_cache", routing.Env{Journal: p.journal},
		routing.Children(routing.Child{Name: "backend.cache", Store: inMemory}, routing.Child{Name: "backend.source", Store: source}))
	if err != nil {
		return err
	}
	p.stores = append(p.stores, cached)
	p.subjects = append(p.subjects, subject{name: "prefer_cache, a hit", maxTime: time.Microsecond, once: p.getter(ctx, cached)})
	return nil
}

func (p *policies) open(b storage.Backend, err error) (storage.Store, error) {
	if err != nil {
		return nil, err
	}
	s := storage.Complete(b)
	p.stores = append(p.stores, s)
	return s, nil
}

func (p *policies) build(name string, policy routing.Policy, refs []string) (storage.Store, error) {
	children := make([]routing.Child, 0, len(refs))
	for _, ref := range refs {
		s, err := p.open(local.OpenMemory(local.MemoryOptions{}), nil)
		if err != nil {
			return nil, err
		}
		children = append(children, routing.Child{Name: ref, Store: s})
	}
	store, err := policy.Build(name, routing.Env{Journal: p.journal}, routing.Children(children...))
	if err != nil {
		return nil, err
	}
	p.stores = append(p.stores, store)
	return store, nil
}

// fill puts the value that is read into every store.
func (p *policies) fill(ctx context.Context) error {
	value := strings.Repeat("v", policyValueBytes)
	for _, s := range p.stores {
		if _, err := s.Put(ctx, policyKey, strings.NewReader(value), storage.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (p *policies) getter(ctx context.Context, s storage.Store) func() error {
	into := make([]byte, policyValueBytes)
	return func() error {
		r, err := s.Get(ctx, policyKey, storage.GetOptions{})
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, into); err != nil {
			return err
		}
		return r.Close()
	}
}

func (p *policies) close(ctx context.Context) error {
	var errs []error
	for _, s := range slices.Backward(p.stores) {
		errs = append(errs, s.Close(ctx))
	}
	if p.journal != nil {
		errs = append(errs, p.journal.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// slow is a replica whose puts take a while.
type slow struct {
	storage.Store
	delay time.Duration
}

func (s slow) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.Store.Put(ctx, key, body, opts)
	case <-ctx.Done():
		return storage.PutResult{}, ctx.Err()
	}
}

// measureQuorum returns how long quorum writes to three replicas take, as
// multiples of the time of the second fastest.
func measureQuorum(ctx context.Context, rounds int) (_ []float64, err error) {
	p := &policies{}
	defer func() { err = errors.Join(err, p.close(context.WithoutCancel(ctx))) }()
	if p.dir, err = os.MkdirTemp("", "bench-of-quorums-"); err != nil {
		return nil, err
	}
	if p.journal, err = journal.Open(p.dir, journal.Options{}); err != nil {
		return nil, err
	}
	var refs []string
	var children []routing.Child
	for i, delay := range quorumDelays() {
		s, err := p.open(local.OpenMemory(local.MemoryOptions{}), nil)
		if err != nil {
			return nil, err
		}
		refs = append(refs, fmt.Sprintf("backend.%d", i))
		children = append(children, routing.Child{Name: refs[i], Store: slow{s, delay}})
	}
	store, err := routing.Redundant{Replicas: refs}.Build("quorum", routing.Env{Journal: p.journal}, routing.Children(children...))
	if err != nil {
		return nil, err
	}
	p.stores = append(p.stores, store)
	var times []float64
	for round := range rounds {
		begin := time.Now()
		if _, err := store.Put(ctx, fmt.Sprint("key", round), bytes.NewReader(make([]byte, policyValueBytes)), storage.PutOptions{}); err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(begin))/float64(quorumDelays()[1]))
	}
	return times, nil
}

func printPolicies(w io.Writer, costs []cost, quorum []float64) {
	fmt.Fprintf(w, "\nA Get of %d bytes through a policy over children in memory, by one caller. Median (lowest–highest).\n\n", policyValueBytes)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(table.Row{"", "NS", "ALLOCS", "NS MORE THAN A BARE CHILD", "ALLOCS MORE", "AT MOST", ""})
	for _, c := range costs {
		row := table.Row{c.name, spread(c.ns), short(summarize(c.allocs).Median), "", "", "", ""}
		if c.over != "" {
			row[3], row[4] = spread(c.moreNS), short(summarize(c.moreAllocs).Median)
		}
		if c.maxTime > 0 {
			row[5], row[6] = c.maxTime.String(), "ok"
			if c.maxAllocs > 0 {
				row[5] = fmt.Sprintf("%v, %v allocs", c.maxTime, c.maxAllocs)
			}
			if !c.withinNS || !c.withinHeap {
				row[6] = "MORE"
			}
		}
		t.AppendRow(row)
	}
	t.Render()
	fmt.Fprintf(w, "\nA quorum write to replicas that take %v takes %s × the second fastest.\n", quorumDelays(), spread(quorum))
}
