package routing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// patience is a context that ends with the one it was made from, or a while
// after it was made. One of context.WithTimeout starts a timer, which costs more
// than asking a cache in memory; this one does so when somebody waits for its
// end. stop must be called.
type patience struct {
	context.Context //nolint:containedctx // it is one
	began           time.Time
	limit           time.Duration

	mu     sync.Mutex
	timed  atomic.Pointer[timedContext] // once somebody waited
	cancel context.CancelFunc
}

type timedContext struct{ context.Context } //nolint:containedctx // it is one

func newPatience(ctx context.Context, began time.Time, limit time.Duration) *patience {
	return &patience{Context: ctx, began: began, limit: limit}
}

func (p *patience) stop() {
	if p.timed.Load() != nil {
		p.cancel()
	}
}

// wait returns the context with a timer.
func (p *patience) wait() context.Context {
	if t := p.timed.Load(); t != nil {
		return t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.timed.Load(); t != nil {
		return t
	}
	var ctx context.Context
	ctx, p.cancel = context.WithDeadline(p.Context, p.began.Add(p.limit))
	t := &timedContext{ctx}
	p.timed.Store(t)
	return t
}

// Deadline implements context.Context.
func (p *patience) Deadline() (time.Time, bool) {
	mine := p.began.Add(p.limit)
	if d, ok := p.Context.Deadline(); ok && d.Before(mine) {
		return d, true
	}
	return mine, true
}

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} { return p.wait().Done() }

// Err implements context.Context.
func (p *patience) Err() error {
	if t := p.timed.Load(); t != nil {
		return t.Err()
	}
	if err := p.Context.Err(); err != nil {
		return err
	}
	if time.Since(p.began) >= p.limit {
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. Contexts made from this one find out by it
// whose end they wait for.
func (p *patience) Value(key any) any {
	if t := p.timed.Load(); t != nil {
		return t.Value(key)
	}
	return p.Context.Value(key)
}
