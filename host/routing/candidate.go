package routing

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// candidate is a child of first_available and what is known of its health.
type candidate struct {
	marked
	index    int
	holdDown time.Duration
	copies   bool // it may have objects that another child took; see metaETag

	epoch  time.Time
	away   atomic.Int64 // since when it is down, as time after epoch; 0: it serves
	canary atomic.Bool  // a single request is trying it
}

func newCandidate(c Child, index int, holdDown time.Duration) *candidate {
	return &candidate{marked: newMarked(c), index: index, holdDown: holdDown, epoch: time.Now()}
}

func (c *candidate) now() int64 { return max(1, int64(time.Since(c.epoch))) }

// admit reports whether a request may use the candidate now, and whether it
// does so as the canary. What admit let in must be reported.
func (c *candidate) admit() (admitted, canary bool, info event.BreakerInfo) {
	info = c.child.state()
	away := c.away.Load()
	switch {
	case info.State == event.BreakerClosed && away == 0:
		return true, false, info
	case away == 0:
		c.away.CompareAndSwap(0, c.now())
		return false, false, info
	case info.State == event.BreakerOpen, time.Duration(c.now()-away) < c.holdDown:
		return false, false, info
	default:
		ok := c.canary.CompareAndSwap(false, true)
		return ok, ok, info
	}
}

// report tells how a request went. A child that answers serves again; a canary
// that finds it down begins the hold-down anew.
func (c *candidate) report(ctx context.Context, canary bool, err error) {
	switch {
	case err == nil || ctx.Err() == nil && !storage.CodeOf(err).Unhealthy():
		if c.away.Load() != 0 {
			c.away.Store(0)
		}
	case canary && failsOver(ctx, err):
		c.away.Store(c.now())
	}
	if canary {
		c.canary.Store(false)
	}
}

// level is how the child is asked for a level. Eventual accepts any answer, so
// a child that does not know it is asked for its default.
func (c *candidate) level(l storage.Consistency) storage.Consistency {
	if l == storage.ConsistencyEventual && !c.child.Store.Capabilities().Consistency.Has(l) {
		return storage.ConsistencyDefault
	}
	return l
}
