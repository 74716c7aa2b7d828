package layer

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [ConcurrencyOptions].
const (
	DefaultMaxInFlight = 256
	DefaultMaxQueued   = 4096
	DefaultMaxQueueing = 10 * time.Second
)

// ConcurrencyOptions modify [Concurrency].
type ConcurrencyOptions struct {
	// MaxInFlight is how many operations run at once, open Readers included;
	// watches and health checks do not count. 0 means [DefaultMaxInFlight].
	MaxInFlight int
	// MaxQueued is how many wait for their turn. 0 means [DefaultMaxQueued].
	MaxQueued int
	// MaxQueueing is how long one waits. 0 means [DefaultMaxQueueing].
	MaxQueueing time.Duration
}

// Concurrency bounds the operations in flight. Those beyond wait, bounded in
// number and time; an operation that finds no room is Throttled.
//
// A caller that holds a Reader while it begins another operation needs two
// slots: more than MaxInFlight such callers wait for one another until their
// time is over.
func Concurrency(o ConcurrencyOptions) Layer {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxQueued <= 0 {
		o.MaxQueued = DefaultMaxQueued
	}
	if o.MaxQueueing <= 0 {
		o.MaxQueueing = DefaultMaxQueueing
	}
	return func(s storage.Store) storage.Store {
		l := &limiter{opts: o, slots: bulkhead.New[any](uint(o.MaxInFlight))} //nolint:gosec // positive
		return interceptor{around: l.around, opened: l.opened}.layer()(s)
	}
}

type limiter struct {
	opts   ConcurrencyOptions
	slots  bulkhead.Bulkhead[any]
	queued atomic.Int64
}

func (l *limiter) around(ctx context.Context, c *call, next func() error) error {
	if c.op == event.OpWatch || c.op == event.OpHealth {
		return next()
	}
	if err := l.enter(ctx); err != nil {
		return storage.Annotate(err, c.op.String(), c.key)
	}
	kept := false
	defer func() {
		if !kept {
			l.slots.ReleasePermit()
		}
	}()
	err := next()
	kept = err == nil && c.op == event.OpGet // until the Reader's source is closed
	return err
}

func (l *limiter) enter(ctx context.Context) error {
	if l.slots.TryAcquirePermit() {
		return nil
	}
	defer l.queued.Add(-1)
	if l.queued.Add(1) > int64(l.opts.MaxQueued) {
		return throttled("%d operations are in flight and %d wait", l.opts.MaxInFlight, l.opts.MaxQueued)
	}
	switch err := l.slots.AcquirePermitWithMaxWait(ctx, l.opts.MaxQueueing); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return throttled("%d operations are in flight and none ended within %v", l.opts.MaxInFlight, l.opts.MaxQueueing)
	}
}

func throttled(format string, args ...any) error {
	err := storage.Errorf(storage.CodeThrottled, format, args...)
	err.RetryAfter = time.Second
	return err
}

func (l *limiter) opened(_ context.Context, _ *call, r *storage.Reader) {
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return limitedSource{source, l} })
}

type limitedSource struct {
	io.ReadCloser
	limiter *limiter
}

func (s limitedSource) Close() error {
	defer s.limiter.slots.ReleasePermit()
	return s.ReadCloser.Close()
}
