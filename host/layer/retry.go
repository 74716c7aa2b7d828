package layer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [RetryOptions].
const (
	DefaultMaxAttempts = 4
	DefaultBaseDelay   = 50 * time.Millisecond
	DefaultMaxDelay    = time.Second
	DefaultReplayBytes = 1 << 20
)

// RetryOptions modify [Retry].
type RetryOptions struct {
	// MaxAttempts is how often an operation is tried in all; 1 never retries.
	// 0 means [DefaultMaxAttempts].
	MaxAttempts int
	// BaseDelay doubles with each attempt up to MaxDelay; the wait is a random
	// part of it, from nothing to all. What the error asks for with RetryAfter
	// is the least wait; an error that asks for more than MaxDelay is not
	// retried. 0 means [DefaultBaseDelay] and [DefaultMaxDelay].
	BaseDelay, MaxDelay time.Duration
	// ReplayBytes is how much of the body of a Put is kept so that it can be
	// sent again. Bodies that can seek are not kept. 0 means
	// [DefaultReplayBytes].
	ReplayBytes int
	// Budget is shared with other retry layers. Nil: one of its own.
	Budget *Budget
	// Backend is the name in events.
	Backend  string
	Listener event.Listener
}

// Retry tries operations again that failed with a transient code (Throttled,
// Unavailable, DeadlineExceeded), with growing random waits, as long as the
// caller's deadline allows the wait and the budget the retry.
//
// What is tried again:
//
//   - Get, Stat, List and the opening of a Watch: always. A Reader that breaks
//     is resumed where it broke, pinned to the version it began with.
//   - A write that certainly did not happen: always, if its body can be given
//     again: nothing of it was read, it can seek, or it was short enough to be
//     kept.
//   - A write of unknown outcome without condition: it is idempotent, but
//     whether a key was created or existed before is then Unknown.
//   - A conditional Put of unknown outcome: only after looking. It carries a
//     write id in reserved metadata; if the object now has that id, the Put
//     succeeded, and if the condition still holds it is safe to try again.
//     Otherwise somebody else wrote, before or after; the error is
//     FailedPrecondition with OutcomeUnknown set.
//   - A conditional Delete of unknown outcome: only if the object is still
//     there and the condition holds. An object that is gone may have been
//     deleted by somebody else: the outcome stays unknown.
//   - A Batch or Commit with writes, and a conditional Copy, of unknown
//     outcome: never. The results of single operations of a batch are left
//     alone.
//
// An error that comes back after a retry is marked Retried, and one that comes
// in so marked is not retried here. CheckHealth is never retried.
func Retry(o RetryOptions) Layer {
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = DefaultMaxAttempts
	}
	if o.BaseDelay <= 0 {
		o.BaseDelay = DefaultBaseDelay
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = DefaultMaxDelay
	}
	if o.ReplayBytes <= 0 {
		o.ReplayBytes = DefaultReplayBytes
	}
	if o.Budget == nil {
		o.Budget = NewBudget()
	}
	o.Listener = o.Listener.WithDefaults()
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1). // counted by retry, which knows what an attempt is
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			var p pause
			errors.As(e.LastError(), &p)
			return p.delay
		}).
		Build()
	return func(s storage.Store) storage.Store {
		return &retrier{Store: s, opts: o, policy: policy}
	}
}

type retrier struct {
	storage.Store
	opts   RetryOptions
	policy retrypolicy.RetryPolicy[any]
}

// pause tells the retry policy to wait and try again.
type pause struct{ delay time.Duration }

func (pause) Error() string { return "trying again" }

// attempts is the state of one operation.
type attempts struct {
	op   event.Op
	made int
	// reads: the operation changes nothing, so its outcome cannot matter.
	reads bool
	// ambiguous: an attempt that was tried again may have happened.
	ambiguous bool
	// may reports whether err allows another attempt. Nil: any transient error
	// does.
	may func(err error) bool
}

// try runs attempt until it succeeds or must not be tried again. attempt
// returns the error of one try. The first try, nearly always the only one,
// does not go through the policy.
func (r *retrier) try(ctx context.Context, a *attempts, attempt func() error) error {
	r.opts.Budget.earn()
	a.made++
	err := attempt()
	if err == nil {
		return nil
	}
	delay, again := r.again(ctx, a, err)
	if !again {
		return a.mark(err)
	}
	known := true // the outcome of the first run is err
	_ = failsafe.With[any](r.policy).WithContext(ctx).Run(func() error {
		if !known {
			a.made++
			if err = attempt(); err == nil {
				return nil
			}
			if delay, again = r.again(ctx, a, err); !again {
				return nil
			}
		}
		known = false
		return pause{delay}
	})
	if err != nil && again { // the caller's end came during a pause
		return a.mark(cutShort(ctx, err))
	}
	return a.mark(err)
}

// again decides about another attempt after err and the wait before it.
func (r *retrier) again(ctx context.Context, a *attempts, err error) (time.Duration, bool) {
	e := storage.AsError(err)
	if !e.Code.Transient() || e.Retried || a.made >= r.opts.MaxAttempts || ctx.Err() != nil || e.RetryAfter > r.opts.MaxDelay {
		return 0, false
	}
	if a.may != nil && !a.may(err) {
		return 0, false
	}
	delay := max(e.RetryAfter, r.backoff(a.made))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return 0, false
	}
	info := event.RetryInfo{Backend: r.opts.Backend, Op: a.op, Attempt: a.made, Delay: delay, Err: err}
	if !r.opts.Budget.spend() {
		info.Delay, info.BudgetSpent = 0, true
		r.opts.Listener.Retry(info)
		return 0, false
	}
	a.ambiguous = a.ambiguous || !a.reads && mayHaveHappened(e)
	r.opts.Listener.Retry(info)
	return delay, true
}

func (r *retrier) backoff(made int) time.Duration {
	most := r.opts.BaseDelay
	for range made - 1 {
		if most = min(2*most, r.opts.MaxDelay); most == r.opts.MaxDelay {
			break
		}
	}
	return rand.N(most + 1) //nolint:gosec // jitter needs no secrecy
}

// mark says on the last error that there were others before it.
func (a *attempts) mark(err error) error {
	if err == nil || a.made == 1 {
		return err
	}
	e := storage.AsError(err)
	e.Retried = true
	e.OutcomeUnknown = e.OutcomeUnknown || a.ambiguous
	return e
}

func cutShort(ctx context.Context, last error) error {
	was := storage.AsError(last)
	code := storage.CodeOf(ctx.Err())
	return &storage.Error{
		Code: code, Temporary: code.Transient(), OutcomeUnknown: was.OutcomeUnknown,
		Err: fmt.Errorf("gave up while waiting to try again: %w", last),
	}
}

// mayHaveHappened reports whether a write that failed with e may have been
// made all the same.
func mayHaveHappened(e *storage.Error) bool {
	return e.OutcomeUnknown || e.Code == storage.CodeDeadlineExceeded
}

func (r *retrier) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	return retried(ctx, r, &attempts{op: event.OpStat, reads: true}, func() (storage.Object, error) { return r.Store.Stat(ctx, key, opts) })
}

func (r *retrier) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return retried(ctx, r, &attempts{op: event.OpList, reads: true}, func() (storage.Page, error) { return r.Store.List(ctx, opts) })
}

func (r *retrier) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	return retried(ctx, r, &attempts{op: event.OpWatch, reads: true}, func() (storage.EventStream, error) { return r.Store.Watch(ctx, opts) })
}

func (r *retrier) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return retried(ctx, r, repeatable(event.OpBatch, ops), func() ([]storage.BatchResult, error) { return r.Store.Batch(ctx, ops, opts) })
}

func (r *retrier) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return retried(ctx, r, repeatable(event.OpCommit, tx.Ops), func() ([]storage.BatchResult, error) { return r.Store.Commit(ctx, tx) })
}

func retried[T any](ctx context.Context, r *retrier, a *attempts, run func() (T, error)) (T, error) {
	var v T
	err := r.try(ctx, a, func() (err error) {
		v, err = run()
		return err
	})
	return v, err
}

func didNotHappen(err error) bool { return !mayHaveHappened(storage.AsError(err)) }

func repeatable(op event.Op, ops []storage.BatchOp) *attempts {
	if onlyReads(ops) {
		return &attempts{op: op, reads: true}
	}
	return &attempts{op: op, may: didNotHappen}
}
