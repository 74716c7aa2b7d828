package registry

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Meta describes a generation; the registry keeps it and does not look at it.
type Meta struct {
	// Plugin and Version of what is behind the store.
	Plugin, Version string
}

// retiredBit is the bit of Generation.leases that refuses new leases.
const retiredBit = 1 << 62

// Generation is one store in the life of a backend. Its owner closes the store
// after Drain returned nil.
type Generation struct {
	name   string
	number uint64
	store  storage.Store
	meta   Meta

	leases  atomic.Int64  // count, and the retired bit
	retired chan struct{} // closed by retire
	drained chan struct{} // closed when the last lease is returned after that
}

// Name of the backend.
func (g *Generation) Name() string { return g.name }

// Number of the generation; it counts from 1 for each name and is never used
// again.
func (g *Generation) Number() uint64 { return g.number }

// Store is what the generation serves with.
func (g *Generation) Store() storage.Store { return g.store }

// Meta is what was given to Swap.
func (g *Generation) Meta() Meta { return g.meta }

// Leases is how many are held now.
func (g *Generation) Leases() int { return int(g.leases.Load() &^ retiredBit) }

// Drain waits until all leases on a retired generation are returned, and then
// returns nil; no operation runs on it from then on. If ctx ends before, the
// error is DeadlineExceeded or Canceled and says how many are still held.
// Draining a generation that was not retired waits for that too.
func (g *Generation) Drain(ctx context.Context) error {
	select {
	case <-g.drained:
		return nil
	default:
	}
	select {
	case <-g.drained:
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("generation %d still has %d operations in flight: %w", g.number, g.Leases(), ctx.Err())
		e := storage.AsError(err)
		e.Op, e.Backend, e.Plugin = "drain", g.name, g.meta.Plugin
		return e
	}
}

func newGeneration(name string, number uint64, store storage.Store, meta Meta) *Generation {
	return &Generation{
		name: name, number: number, store: store, meta: meta,
		retired: make(chan struct{}), drained: make(chan struct{}),
	}
}

// acquire counts a lease unless g is retired.
func (g *Generation) acquire() bool {
	for {
		n := g.leases.Load()
		if n&retiredBit != 0 {
			return false
		}
		if g.leases.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *Generation) release() {
	// No lease is given after the retirement, so the count comes to zero once.
	if g.leases.Add(-1) == retiredBit {
		close(g.drained)
	}
}

// retire refuses further leases. It is called once.
func (g *Generation) retire() {
	defer close(g.retired)
	if g.leases.Or(retiredBit) == 0 {
		close(g.drained)
	}
}

// Lease is the right to use a generation. It must be released once; the store
// must not be used afterwards.
type Lease struct{ generation *Generation }

// Store is what the lease is on.
func (l Lease) Store() storage.Store { return l.generation.store }

// Generation is what the lease is on.
func (l Lease) Generation() *Generation { return l.generation }

// Release returns the lease.
func (l Lease) Release() { l.generation.release() }
