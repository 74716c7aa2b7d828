package layer

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [BreakerOptions].
const (
	DefaultBreakerFailures = 5
	DefaultBreakerWindow   = 10
	DefaultBreakerOpenFor  = 2 * time.Second
)

// canaryWait is what a request is told that comes while another one is trying
// whether the backend is back.
const canaryWait = 100 * time.Millisecond

// BreakerOptions modify [NewBreaker].
type BreakerOptions struct {
	// Backend is the name in events.
	Backend string
	// Failures among the last Window operations open the breaker. 0 means
	// [DefaultBreakerFailures] and [DefaultBreakerWindow]; a Window less than
	// Failures is as large.
	Failures, Window uint
	// OpenFor is how long an open breaker refuses before it lets one operation
	// through. 0 means [DefaultBreakerOpenFor]. A fifth is added or taken at
	// random, so that many hosts do not come back at one time.
	OpenFor  time.Duration
	Listener event.Listener
}

// Breaker refuses operations for a while after too many of the last ones
// failed, instead of letting each wait for its own timeout. Failures are those
// whose code says Unhealthy; answers such as NotFound are successes. An
// operation whose caller gave up, by cancellation or by a deadline shorter
// than the backend's timeout, says nothing about the backend and counts as
// neither.
//
// Open, it fails with Unavailable, the time to wait, and the failure that
// opened it. After that time single operations are let through, one at a
// time; the first that succeeds closes it.
type Breaker struct {
	opts    BreakerOptions
	circuit circuitbreaker.CircuitBreaker[any]
	// epoch counts changes of state: the outcome of an operation that began
	// in an earlier one says nothing about this one.
	epoch atomic.Uint64
	last  atomic.Pointer[storage.Error]
}

// NewBreaker returns a closed breaker.
func NewBreaker(o BreakerOptions) *Breaker {
	if o.Failures == 0 {
		o.Failures = DefaultBreakerFailures
	}
	if o.Window == 0 {
		o.Window = DefaultBreakerWindow
	}
	o.Window = max(o.Window, o.Failures)
	if o.OpenFor <= 0 {
		o.OpenFor = DefaultBreakerOpenFor
	}
	o.Listener = o.Listener.WithDefaults()
	b := &Breaker{opts: o}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(o.Failures, o.Window).
		WithSuccessThreshold(1).
		WithDelay(o.OpenFor).
		WithJitterFactor(0.2).
		OnStateChanged(b.changed).
		Build()
	return b
}

func (b *Breaker) changed(e circuitbreaker.StateChangedEvent) {
	b.epoch.Add(1)
	info := event.BreakerInfo{Backend: b.opts.Backend, Err: b.cause()}
	switch e.NewState {
	case circuitbreaker.OpenState:
		info.State, info.RetryAfter = event.BreakerOpen, b.opts.OpenFor
	case circuitbreaker.HalfOpenState:
		info.State = event.BreakerHalfOpen
	}
	b.opts.Listener.BreakerChanged(info)
}

// State is what an operation would meet now. An open breaker whose time is
// over is already half-open.
func (b *Breaker) State() event.BreakerInfo {
	info := event.BreakerInfo{Backend: b.opts.Backend, Err: b.cause()}
	switch b.circuit.State() {
	case circuitbreaker.ClosedState:
		info.State = event.BreakerClosed
	case circuitbreaker.HalfOpenState:
		info.State = event.BreakerHalfOpen
	case circuitbreaker.OpenState:
		info.State = event.BreakerOpen
		if info.RetryAfter = b.circuit.RemainingDelay(); info.RetryAfter == 0 {
			info.State = event.BreakerHalfOpen
		}
	}
	return info
}

func (b *Breaker) cause() error {
	if e := b.last.Load(); e != nil {
		return e
	}
	return nil
}

// Reset closes the breaker: what is behind it was replaced.
func (b *Breaker) Reset() { b.circuit.Close() }

// Layer lets the operations of a Store pass through b.
func (b *Breaker) Layer() Layer {
	return interceptor{around: b.around, opened: b.opened}.layer()
}

func (b *Breaker) around(ctx context.Context, c *call, next func() error) error {
	if c.op == event.OpHealth {
		return next() // a question about the backend, not a use of it
	}
	if !b.circuit.TryAcquirePermit() {
		return storage.Annotate(b.refusal(), c.op.String(), c.key)
	}
	epoch := b.epoch.Load()
	returned := false
	defer func() {
		if !returned { // a panic passes through, and the permit must not be lost
			b.record(epoch, storage.Errorf(storage.CodeInternal, "the backend panicked"))
		}
	}()
	err := next()
	returned = true
	if gaveUp(ctx, err) {
		b.forget(epoch)
	} else {
		b.record(epoch, err)
	}
	return err
}

// gaveUp tells a caller's end from the backend's: the timeout of the backend
// ends a context beneath this layer and leaves the caller's alone.
func gaveUp(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() == nil {
		return false
	}
	code := storage.CodeOf(err)
	return code == storage.CodeCanceled || code == storage.CodeDeadlineExceeded
}

func (b *Breaker) record(epoch uint64, err error) {
	bad := err != nil && storage.CodeOf(err).Unhealthy()
	if bad {
		b.last.Store(storage.AsError(err))
	}
	switch {
	case epoch != b.epoch.Load():
	case bad:
		b.circuit.RecordFailure()
	default:
		b.circuit.RecordSuccess()
	}
}

// forget gives back the permit of an operation that says nothing. A canary of
// that kind makes room for the next.
func (b *Breaker) forget(epoch uint64) {
	if epoch == b.epoch.Load() && b.circuit.IsHalfOpen() {
		b.circuit.Open()
		b.circuit.HalfOpen()
	}
}

func (b *Breaker) refusal() error {
	wait := max(b.circuit.RemainingDelay(), canaryWait)
	err := storage.Errorf(storage.CodeUnavailable, "the circuit breaker is open after repeated failures")
	if last := b.last.Load(); last != nil {
		err = storage.Errorf(storage.CodeUnavailable, "the circuit breaker is open after repeated failures, the last of them: %s", last)
	}
	err.RetryAfter = wait
	return err
}

// opened counts a stream that breaks, though its opening was a success.
func (b *Breaker) opened(ctx context.Context, _ *call, r *storage.Reader) {
	j := &judgedSource{breaker: b, epoch: b.epoch.Load(), gaveUp: func(err error) bool { return gaveUp(ctx, err) }}
	r.Wrap(func(source io.ReadCloser) io.ReadCloser {
		j.ReadCloser = source
		return j
	})
	r.OnClose(func(_ int64, err error) { // for the checksum, which is above the source
		if err != nil && storage.CodeOf(err) == storage.CodeDataLoss {
			j.judge(err)
		}
	})
}

type judgedSource struct {
	io.ReadCloser
	breaker *Breaker
	epoch   uint64
	gaveUp  func(error) bool
	judged  bool
}

func (s *judgedSource) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		s.judge(err)
	}
	return n, err
}

func (s *judgedSource) judge(err error) {
	if s.judged || s.gaveUp(err) || !storage.CodeOf(err).Unhealthy() || !s.breaker.circuit.IsClosed() {
		return
	}
	s.judged = true
	s.breaker.record(s.epoch, err)
}
