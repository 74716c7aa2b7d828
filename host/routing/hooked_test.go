package routing

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// hooked is a store with functions around its operations on single keys, which
// it counts.
type hooked struct {
	storage.Store
	gets, stats, puts, deletes atomic.Int64

	hooks   atomic.Pointer[hooks]
	breaker atomic.Pointer[event.BreakerInfo]
}

// hooks are called with the operation and its key; their error is its answer.
// after is called when the store has answered, with what it returned.
type hooks struct {
	before func(ctx context.Context, op event.Op, key string) error
	after  func(ctx context.Context, op event.Op, key string, err error) error
}

func (h *hooked) hook(before func(ctx context.Context, op event.Op, key string) error) {
	h.hooks.Store(&hooks{before: before})
}

func (h *hooked) hookAfter(after func(ctx context.Context, op event.Op, key string, err error) error) {
	h.hooks.Store(&hooks{after: after})
}

func (h *hooked) unhook() { h.hooks.Store(nil) }

func (h *hooked) child(name string) Child {
	return Child{Name: name, Store: h, State: func() event.BreakerInfo {
		if i := h.breaker.Load(); i != nil {
			return *i
		}
		return event.BreakerInfo{}
	}}
}

func (h *hooked) do(ctx context.Context, op event.Op, key string, count *atomic.Int64, run func() error) error {
	count.Add(1)
	k := h.hooks.Load()
	if k != nil && k.before != nil {
		if err := k.before(ctx, op, key); err != nil {
			return err
		}
	}
	err := run()
	if k != nil && k.after != nil {
		return k.after(ctx, op, key, err)
	}
	return err
}

func (h *hooked) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	err = h.do(ctx, event.OpGet, key, &h.gets, func() (err error) {
		r, err = h.Store.Get(ctx, key, opts)
		return err
	})
	if err != nil && r != nil {
		_ = r.Close()
		r = nil
	}
	return r, err
}

func (h *hooked) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	err = h.do(ctx, event.OpStat, key, &h.stats, func() (err error) {
		o, err = h.Store.Stat(ctx, key, opts)
		return err
	})
	return o, err
}

func (h *hooked) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	err = h.do(ctx, event.OpPut, key, &h.puts, func() (err error) {
		res, err = h.Store.Put(ctx, key, body, opts)
		return err
	})
	return res, err
}

func (h *hooked) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	err = h.do(ctx, event.OpDelete, key, &h.deletes, func() (err error) {
		d, err = h.Store.Delete(ctx, key, opts)
		return err
	})
	return d, err
}

// unwatched is a source that cannot be watched.
type unwatched struct{ storage.Store }

func (s unwatched) Capabilities() storage.Capabilities {
	caps := s.Store.Capabilities()
	caps.Watch = false
	return caps
}

// gate holds whoever comes to it until it is opened.
type gate struct{ open chan struct{} }

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// policyEvents counts what policies tell.
type policyEvents struct {
	mu     sync.Mutex
	counts [event.NumPolicyEvents]int
	hits   int
	misses int
}

func (e *policyEvents) listener() event.Listener {
	return event.Listener{
		Policy: func(i event.PolicyInfo) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.counts[i.Event]++
		},
		Cache: func(i event.CacheInfo) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if i.Hit {
				e.hits++
			} else {
				e.misses++
			}
		},
	}
}

func (e *policyEvents) count(what event.PolicyEvent) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[what]
}

func (e *policyEvents) lookups() (hits, misses int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hits, e.misses
}

// wantReads compares how often a source was read.
func (h *hooked) wantReads(t testing.TB, gets, stats int64) {
	t.Helper()
	if g, s := h.gets.Load(), h.stats.Load(); g != gets || s != stats {
		t.Errorf("it was read by %d gets and %d stats, want %d and %d", g, s, gets, stats)
	}
}

// failing is a hook that fails every operation.
func failing(code storage.Code) func(context.Context, event.Op, string) error {
	return func(context.Context, event.Op, string) error { return storage.Errorf(code, "hooked to fail") }
}
