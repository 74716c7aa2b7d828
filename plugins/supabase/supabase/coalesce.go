package supabase

import (
	"context"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// lanes is how many calls for reads are under way at once.
	lanes = 4
	// maxTogether is how many reads go into one call.
	maxTogether = 100
)

// coalescer puts reads together that come while others are under way. A read
// that finds a lane free leaves at once, alone; those that find none wait for
// the next lane to come free and share one call. So nobody waits for company,
// and the more callers there are, the fewer calls each needs. A read never sees
// a state older than its beginning: it is only ever put into a call that has not
// left.
type coalescer struct {
	call func(ctx context.Context, items []readItem) ([]readResult, error)
	life context.Context //nolint:containedctx // of calls that are made for several callers

	mu      sync.Mutex
	waiting []*pendingRead
	busy    int // lanes
	work    sync.WaitGroup
}

type pendingRead struct {
	ctx    context.Context //nolint:containedctx // of the caller, for its deadline
	item   readItem
	done   chan struct{}
	result readResult
	err    error
}

func newCoalescer(life context.Context, call func(context.Context, []readItem) ([]readResult, error)) *coalescer {
	return &coalescer{call: call, life: life}
}

// read returns the result for one item.
func (c *coalescer) read(ctx context.Context, item readItem) (*readResult, error) {
	c.mu.Lock()
	if c.busy < lanes && len(c.waiting) == 0 {
		c.busy++
		c.mu.Unlock()
		defer c.release()
		results, err := c.call(ctx, []readItem{item})
		if err != nil {
			return nil, err
		}
		return &results[0], nil
	}
	p := &pendingRead{ctx: ctx, item: item, done: make(chan struct{})}
	c.waiting = append(c.waiting, p)
	if c.busy < lanes {
		c.busy++
		c.work.Go(c.run)
	}
	c.mu.Unlock()
	select {
	case <-p.done:
		return &p.result, p.err
	case <-ctx.Done():
		return nil, storage.AsError(ctx.Err())
	}
}

// release gives a lane back, or to those who wait.
func (c *coalescer) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		c.work.Go(c.run)
		return
	}
	c.busy--
}

// run is a lane while there are reads that wait.
func (c *coalescer) run() {
	for {
		together := c.next()
		if len(together) == 0 {
			return
		}
		c.make(together)
	}
}

// next takes the reads for one call, without those whose caller is gone. If
// there are none the lane is given back.
func (c *coalescer) next() []*pendingRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	var together []*pendingRead
	for len(c.waiting) > 0 && len(together) < maxTogether {
		p := c.waiting[0]
		c.waiting = c.waiting[1:]
		if p.ctx.Err() == nil {
			together = append(together, p)
		}
	}
	if len(together) == 0 {
		c.waiting = nil
		c.busy--
	}
	return together
}

// make makes one call. Those the answer had no room for wait again, first.
func (c *coalescer) make(together []*pendingRead) {
	ctx, cancel := c.contextFor(together)
	defer cancel()
	items := make([]readItem, len(together))
	for i, p := range together {
		items[i] = p.item
	}
	results, err := c.call(ctx, items)
	if err != nil && c.life.Err() != nil {
		err = errClosed()
	}
	var again []*pendingRead
	for i, p := range together {
		if err == nil && results[i].Later {
			again = append(again, p)
			continue
		}
		if p.err = err; err == nil {
			p.result = results[i]
		}
		close(p.done)
	}
	if len(again) > 0 {
		c.mu.Lock()
		c.waiting = append(again, c.waiting...)
		c.mu.Unlock()
	}
}

// contextFor lasts as long as the most patient caller, and ends when all of
// them are gone.
func (c *coalescer) contextFor(together []*pendingRead) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.life)
	var latest time.Time
	left := newCountdown(len(together), cancel)
	var stops []func() bool
	for _, p := range together {
		stops = append(stops, context.AfterFunc(p.ctx, left.one))
		deadline, ok := p.ctx.Deadline()
		if !ok {
			deadline = time.Now().Add(24 * time.Hour)
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	ctx, cancelDeadline := context.WithDeadline(ctx, latest)
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancelDeadline()
		cancel()
	}
}

// wait returns when no lane is at work for callers that do not wait themselves.
func (c *coalescer) wait() { c.work.Wait() }

// countdown calls f when one was called n times.
type countdown struct {
	mu sync.Mutex
	n  int
	f  func()
}

func newCountdown(n int, f func()) *countdown { return &countdown{n: n, f: f} }

func (c *countdown) one() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 {
		c.f()
	}
}
