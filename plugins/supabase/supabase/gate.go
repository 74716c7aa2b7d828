package supabase

import (
	"context"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// gate counts the operations under way, and ends them when it is shut.
type gate struct {
	life context.Context //nolint:containedctx // ends when the gate is shut
	end  context.CancelCauseFunc

	mu   sync.Mutex
	shut bool
	work sync.WaitGroup
}

func newGate() *gate {
	g := new(gate)
	g.life, g.end = context.WithCancelCause(context.Background())
	return g
}

func errClosed() error { return storage.Errorf(storage.CodeUnavailable, "the backend is closed") }

// enter lets an operation in, whose context ends with the gate too. leave must
// follow unless it fails.
func (g *gate) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, storage.AsError(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil, nil, errClosed()
	}
	g.work.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.life, func() { cancel(errClosed()) })
	return ctx, func() {
		stop()
		cancel(nil)
		g.work.Done()
	}, nil
}

// goes runs f beside the operations, until the gate is shut. It does nothing
// after that.
func (g *gate) goes(f func(ctx context.Context)) {
	ctx, leave, err := g.enter(g.life)
	if err != nil {
		return
	}
	go func() {
		defer leave()
		f(ctx)
	}()
}

// close shuts the gate and waits, as long as ctx allows, until all are out.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	g.end(errClosed())
	out := make(chan struct{})
	go func() {
		g.work.Wait()
		close(out)
	}()
	select {
	case <-out:
		return nil
	case <-ctx.Done():
		return storage.Annotate(ctx.Err(), "close", "")
	}
}

// cause is the error of a context that has ended: that of a gate that was shut,
// or its own.
func cause(ctx context.Context) error {
	if shut, ok := context.Cause(ctx).(*storage.Error); ok { //nolint:errorlint // it is not wrapped
		return shut
	}
	return storage.AsError(ctx.Err())
}
