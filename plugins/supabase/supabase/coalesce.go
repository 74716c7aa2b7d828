package supabase

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// minLanes and maxLanes bound how many calls for reads are under way at once.
	minLanes = 2
	maxLanes = 32
	// patience is how long reads wait for the lanes there are; then one more is
	// opened, also beyond the bound, since those may hang.
	patience = 100 * time.Millisecond
	// recent is after how many calls the quickest of them is forgotten.
	recent = 256
	// maxTogether is how many reads go into one call.
	maxTogether = 100
)

// coalescer puts reads together that come while others are under way. A read
// that finds a lane free leaves at once, alone; those that find none wait for
// the next lane to come free and share one call. So nobody waits for company,
// and the more callers there are, the fewer calls each needs. A read never sees
// a state older than its beginning: it is only ever put into a call that has not
// left.
//
// How many lanes are best depends on what calls spend their time on. While they
// take about as long as the quickest did, it is the way, and more lanes cost
// nothing; when they take longer, the project is busy, and fewer and fuller
// calls are the better.
type coalescer struct {
	call func(ctx context.Context, items []readItem) ([]readResult, error)
	gate *gate

	mu      sync.Mutex
	waiting []*pendingRead
	busy    int         // lanes
	lanes   float64     // how many there should be
	hurry   *time.Timer // opens a lane when those there are keep others waiting

	calls             int           // since the quickest was last forgotten
	quickest, quicker time.Duration // of the calls before that, and since
}

type pendingRead struct {
	ctx    context.Context //nolint:containedctx // of the caller, for its deadline
	item   readItem
	done   chan struct{}
	result readResult
	err    error
}

func newCoalescer(g *gate, call func(context.Context, []readItem) ([]readResult, error)) *coalescer {
	return &coalescer{call: call, gate: g, lanes: 2 * minLanes}
}

// read returns the result for one item.
func (c *coalescer) read(ctx context.Context, item readItem) (*readResult, error) {
	c.mu.Lock()
	if c.busy < int(c.lanes) && len(c.waiting) == 0 {
		c.busy++
		c.mu.Unlock()
		defer c.release()
		results, err := c.timed(ctx, []readItem{item})
		if err != nil {
			return nil, err
		}
		return &results[0], nil
	}
	p := &pendingRead{ctx: ctx, item: item, done: make(chan struct{})}
	c.waiting = append(c.waiting, p)
	if c.hurry == nil {
		c.hurry = time.AfterFunc(patience, c.openLane)
	}
	c.mu.Unlock()
	select {
	case <-p.done:
		return &p.result, p.err
	case <-ctx.Done():
		return nil, cause(ctx)
	}
}

// openLane adds a lane for reads that have waited too long, so that calls that
// hang hold up nobody else. How many calls there are is bounded by the
// connections.
func (c *coalescer) openLane() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 || c.gate.life.Err() != nil {
		c.hurry = nil
		return
	}
	c.busy++
	c.gate.goes(c.run)
	c.hurry.Reset(patience)
}

// release gives a lane back, or to those who wait.
func (c *coalescer) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		c.gate.goes(c.run)
		return
	}
	c.busy--
}

// run is a lane while there are reads that wait.
func (c *coalescer) run(ctx context.Context) {
	for {
		together := c.next()
		if len(together) == 0 {
			return
		}
		c.make(ctx, together)
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
	switch {
	case len(together) == 0:
		c.waiting = nil
		c.busy--
	case len(c.waiting) > 0 && c.busy < int(c.lanes):
		c.busy++
		c.gate.goes(c.run)
	}
	return together
}

// timed makes a call and learns from how long it takes.
func (c *coalescer) timed(ctx context.Context, items []readItem) ([]readResult, error) {
	began := time.Now()
	results, err := c.call(ctx, items)
	if err == nil {
		c.learn(time.Since(began))
	}
	return results, err
}

func (c *coalescer) learn(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.calls == recent {
		c.calls, c.quickest, c.quicker = 0, c.quicker, took
	}
	if c.quicker == 0 || took < c.quicker {
		c.quicker = took
	}
	quickest := c.quicker
	if c.quickest > 0 {
		quickest = min(quickest, c.quickest)
	}
	if took <= 2*quickest {
		c.lanes = min(c.lanes+1/c.lanes, maxLanes)
	} else {
		c.lanes = max(c.lanes*0.9, minLanes)
	}
}

// make makes one call. Values for which the answer had no room are large, and
// have calls of their own, as have all if the shared call fails by itself:
// one of them may be at fault.
func (c *coalescer) make(ctx context.Context, together []*pendingRead) {
	ctx, cancel := contextFor(ctx, together)
	defer cancel()
	items := make([]readItem, len(together))
	for i, p := range together {
		items[i] = p.item
	}
	results, err := c.timed(ctx, items)
	apart := len(together) > 1 && ctx.Err() == nil &&
		(errors.Is(err, storage.ErrInternal) || errors.Is(err, storage.ErrDeadlineExceeded))
	for i, p := range together {
		switch {
		case apart, err == nil && results[i].Later:
			c.gate.goes(func(context.Context) { c.alone(p) })
			continue
		case err != nil:
			p.err = err
		default:
			p.result = results[i]
		}
		close(p.done)
	}
}

func (c *coalescer) alone(p *pendingRead) {
	defer close(p.done)
	results, err := c.call(p.ctx, []readItem{p.item})
	if p.err = err; err == nil {
		p.result = results[0]
	}
}

// contextFor lasts as long as the most patient caller, and ends when all of
// them are gone.
func contextFor(life context.Context, together []*pendingRead) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(life)
	var left atomic.Int64
	left.Store(int64(len(together)))
	stops := make([]func() bool, len(together))
	for i, p := range together {
		stops[i] = context.AfterFunc(p.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
