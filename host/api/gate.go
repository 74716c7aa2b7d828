package api

import (
	"context"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// gate counts the running object requests: it turns away those over its limit
// and, once it drains, all new ones.
type gate struct {
	limit int
	// closing ends when the gate begins to drain.
	closing context.Context //nolint:containedctx // for requests that then end early
	close   context.CancelFunc

	mu       sync.Mutex
	running  int
	draining bool
	empty    chan struct{} // closed when draining and nothing runs
}

func newGate(limit int) *gate {
	g := &gate{limit: limit, empty: make(chan struct{})}
	g.closing, g.close = context.WithCancel(context.Background())
	return g
}

// onDrain calls do, once, when the gate begins to drain, unless stop was called
// before.
func (g *gate) onDrain(do func()) (stop func() bool) { return context.AfterFunc(g.closing, do) }

// enter admits a request, which must leave, or says why not.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.draining:
		return &storage.Error{Code: storage.CodeUnavailable, RetryAfter: 5 * time.Second, Err: errDraining}
	case g.running >= g.limit:
		return storage.Errorf(storage.CodeUnavailable, "%d requests are running, which is the limit", g.limit)
	}
	g.running++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.draining && g.running == 0 {
		close(g.empty)
	}
}

// drain closes the gate for good. The channel is closed when the last request
// has left.
func (g *gate) drain() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.draining {
		g.draining = true
		g.close()
		if g.running == 0 {
			close(g.empty)
		}
	}
	return g.empty
}

func (g *gate) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running
}
