package registry

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [Options].
const (
	DefaultMaxWaiting = 1024
	DefaultMaxWait    = 10 * time.Second
)

// Options modify a Registry. The zero value is ready for use.
type Options struct {
	// MaxWaiting is how many requests wait for one paused backend; those
	// beyond are Unavailable at once. 0 means [DefaultMaxWaiting].
	MaxWaiting int
	// MaxWait is how long a request waits for a paused backend. 0 means
	// [DefaultMaxWait].
	MaxWait time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = DefaultMaxWaiting
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	return o
}

// Registry is a set of named backends. Any number of goroutines may use it.
type Registry struct {
	opts     Options
	snapshot atomic.Pointer[map[string]*entry]

	mu      sync.Mutex // held by those who change the snapshot, never across a call to a store
	numbers map[string]uint64
}

// entry is the state of one backend; it does not change. One of generation,
// waiting and reason is set.
type entry struct {
	generation *Generation
	waiting    *room
	reason     string
	retryAfter time.Duration
	meta       Meta
	caps       storage.Capabilities
	known      bool // meta and caps: there was a generation
}

// New returns an empty Registry.
func New(opts Options) *Registry {
	r := &Registry{opts: opts.withDefaults(), numbers: map[string]uint64{}}
	r.snapshot.Store(&map[string]*entry{})
	return r
}

// Swap makes store the current generation of name, lets waiting requests
// through to it, and returns the generation it takes the place of, retired, or
// nil. The caller drains and closes the old one.
func (r *Registry) Swap(name string, store storage.Store, meta Meta) (old *Generation) {
	caps := store.Capabilities()
	return r.change(name, func(number uint64, _ *entry) *entry {
		return &entry{generation: newGeneration(name, number, store, meta), meta: meta, caps: caps, known: true}
	})
}

// Fail makes requests for name fail with Unavailable and reason, those that
// wait too, and returns the generation that served, retired, or nil. Where
// retryAfter is not 0 the error says when to try again.
func (r *Registry) Fail(name, reason string, retryAfter time.Duration) (old *Generation) {
	return r.change(name, func(_ uint64, was *entry) *entry {
		e := &entry{reason: reason, retryAfter: retryAfter}
		if was != nil {
			e.meta, e.caps, e.known = was.meta, was.caps, was.known
		}
		return e
	})
}

// Pause makes requests for name wait and returns the generation that served,
// retired, or nil if none did: the caller drains and closes it, opens the
// successor and calls Swap, or Fail if it cannot. To go on with the same store
// after all, it swaps that in again. A request that waits longer than
// Options.MaxWait, or finds too many waiting, is Unavailable.
func (r *Registry) Pause(name string) (old *Generation) {
	return r.change(name, func(_ uint64, was *entry) *entry {
		switch {
		case was == nil:
			return &entry{waiting: newRoom(r.opts)}
		case was.waiting != nil:
			return was
		default:
			return &entry{waiting: newRoom(r.opts), meta: was.meta, caps: was.caps, known: was.known}
		}
	})
}

// Remove makes name unknown and returns the generation that served, retired,
// or nil.
func (r *Registry) Remove(name string) (old *Generation) {
	return r.change(name, func(uint64, *entry) *entry { return nil })
}

// change publishes what next makes of the entry of name, then retires the
// generation and opens the waiting room that are no longer current. In this
// order, a request that finds either closed finds the new snapshot too.
func (r *Registry) change(name string, next func(number uint64, was *entry) *entry) (old *Generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := maps.Clone(*r.snapshot.Load())
	was := entries[name]
	e := next(r.numbers[name]+1, was)
	if e == nil {
		delete(entries, name)
	} else {
		entries[name] = e
		if e.generation != nil {
			r.numbers[name] = e.generation.number
		}
	}
	r.snapshot.Store(&entries)
	if was == nil || was == e {
		return nil
	}
	if was.waiting != nil {
		was.waiting.open()
	}
	if was.generation != nil {
		was.generation.retire()
	}
	return was.generation
}

// Acquire takes a lease on the current generation of name. It waits only while
// the backend is paused. Without a generation the error is Unavailable and
// says why.
func (r *Registry) Acquire(ctx context.Context, name string) (Lease, error) {
	for {
		e := (*r.snapshot.Load())[name]
		switch {
		case e == nil:
			return Lease{}, unavailable(name, Meta{}, "no backend has this name", 0)
		case e.generation != nil:
			if e.generation.acquire() {
				return Lease{e.generation}, nil
			}
		case e.waiting != nil:
			if err := e.waiting.wait(ctx); err != nil {
				failed := storage.AsError(err)
				failed.Backend, failed.Plugin = name, e.meta.Plugin
				return Lease{}, failed
			}
		default:
			return Lease{}, unavailable(name, e.meta, e.reason, e.retryAfter)
		}
	}
}

func unavailable(name string, meta Meta, reason string, retryAfter time.Duration) error {
	err := storage.Errorf(storage.CodeUnavailable, "%s", reason)
	err.Backend, err.Plugin, err.RetryAfter = name, meta.Plugin, retryAfter
	return err
}

// Status is what the registry knows of a backend.
type Status struct {
	Name string
	// Generation that serves; 0 if none does.
	Generation uint64
	Meta       Meta
	// Leases held on the current generation.
	Leases int
	// Waiting requests, while the backend is paused.
	Waiting int
	Paused  bool
	// Reason why nothing serves.
	Reason string
}

// Status lists all backends by name.
func (r *Registry) Status() []Status {
	entries := *r.snapshot.Load()
	all := make([]Status, 0, len(entries))
	for name, e := range entries {
		s := Status{Name: name, Meta: e.meta, Reason: e.reason}
		if e.generation != nil {
			s.Generation, s.Leases = e.generation.number, e.generation.Leases()
		}
		if e.waiting != nil {
			s.Paused, s.Waiting = true, e.waiting.count()
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}
