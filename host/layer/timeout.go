package layer

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultTimeout is the Attempt of TimeoutOptions that name none.
const DefaultTimeout = 30 * time.Second

// TimeoutOptions modify [Timeout].
type TimeoutOptions struct {
	// Attempt is how long the backend may take to answer, or, while bytes of a
	// value move, to take or give the next of them. 0 means [DefaultTimeout].
	Attempt time.Duration
}

// Timeout bounds the time the backend takes, not the time of the operation: a
// Get has Attempt to open its Reader and again for every read from it; for a
// Put the clock starts again with each piece of the body it takes, and stands
// still while the body itself keeps it waiting. So a value of any size passes
// as long as it moves, and a slow caller is not the backend's fault. Of a
// Watch only the opening is bounded.
//
// When time is over the backend's context is cancelled and its return is
// awaited. The error is DeadlineExceeded; on a write its outcome is unknown. A
// deadline or cancellation of the caller's own is passed on as it is.
func Timeout(o TimeoutOptions) Layer {
	if o.Attempt <= 0 {
		o.Attempt = DefaultTimeout
	}
	return func(s storage.Store) storage.Store { return &bounded{Store: s, limit: o.Attempt} }
}

type bounded struct {
	storage.Store
	limit time.Duration
}

// watchdog cancels a context when it was not rewarded for a while.
type watchdog struct {
	limit time.Duration
	timer *time.Timer
	stop  context.CancelCauseFunc
	// tired tells whether the watchdog ended the context, rather than the
	// caller.
	tired func() bool
}

// barked is the cause of a context that a watchdog cancelled.
type barked struct{}

func (barked) Error() string { return "the backend took too long" }

func (s *bounded) watch(parent context.Context) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &watchdog{limit: s.limit, stop: cancel}
	w.tired = func() bool { return context.Cause(ctx) == barked{} } //nolint:errorlint // it is given as it is
	w.timer = time.AfterFunc(s.limit, func() { cancel(barked{}) })
	return ctx, w
}

func (w *watchdog) end() {
	w.timer.Stop()
	w.stop(nil)
}

// explain turns the error of an attempt that was cut short into one that says
// so.
func (w *watchdog) explain(err error, write bool) error {
	if err == nil || !w.tired() {
		return err
	}
	switch storage.CodeOf(err) {
	case storage.CodeCanceled, storage.CodeDeadlineExceeded:
		e := storage.Errorf(storage.CodeDeadlineExceeded, "the backend did not answer within %v", w.limit)
		e.OutcomeUnknown = write
		return e
	default:
		return err
	}
}

// within runs an operation that has its whole answer in hand when it returns.
func within[T any](ctx context.Context, s *bounded, write bool, run func(context.Context) (T, error)) (T, error) {
	ctx, w := s.watch(ctx)
	defer w.end()
	v, err := run(ctx)
	return v, w.explain(err, write)
}

func (s *bounded) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	ctx, w := s.watch(ctx)
	r, err := s.Store.Get(ctx, key, opts)
	if err != nil {
		w.end()
		return nil, w.explain(err, false)
	}
	if !w.timer.Stop() { // the answer came, but too late: its context is gone
		w.end()
		_ = r.Close() // there is a better error to return
		return nil, w.explain(ctx.Err(), false)
	}
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return &boundedSource{source, w} })
	return r, nil
}

type boundedSource struct {
	io.ReadCloser
	watchdog *watchdog
}

func (s *boundedSource) Read(p []byte) (int, error) {
	s.watchdog.timer.Reset(s.watchdog.limit)
	n, err := s.ReadCloser.Read(p)
	s.watchdog.timer.Stop()
	if err == io.EOF {
		return n, err
	}
	return n, s.watchdog.explain(err, false)
}

func (s *boundedSource) Close() error {
	defer s.watchdog.end()
	return s.ReadCloser.Close()
}

func (s *bounded) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	ctx, w := s.watch(ctx)
	defer w.end()
	b := &boundedBody{body: body, watchdog: w}
	res, err := s.Store.Put(ctx, key, b, opts)
	b.finish()
	return res, w.explain(err, true)
}

// boundedBody stops the clock while the body is read and starts it again
// afterwards.
type boundedBody struct {
	body     io.Reader
	watchdog *watchdog
	mu       sync.Mutex // guards finished and the clock
	finished bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	b.watchdog.timer.Stop()
	n, err := b.body.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.finished {
		b.watchdog.timer.Reset(b.watchdog.limit)
	}
	return n, err
}

// finish keeps a read that is still under way from starting the clock.
func (b *boundedBody) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finished = true
	b.watchdog.timer.Stop()
}

func (s *bounded) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	return within(ctx, s, false, func(ctx context.Context) (storage.Object, error) { return s.Store.Stat(ctx, key, opts) })
}

func (s *bounded) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	return within(ctx, s, true, func(ctx context.Context) (storage.Deleted, error) { return s.Store.Delete(ctx, key, opts) })
}

func (s *bounded) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return within(ctx, s, false, func(ctx context.Context) (storage.Page, error) { return s.Store.List(ctx, opts) })
}

func (s *bounded) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return within(ctx, s, !onlyReads(ops), func(ctx context.Context) ([]storage.BatchResult, error) { return s.Store.Batch(ctx, ops, opts) })
}

func (s *bounded) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return within(ctx, s, !onlyReads(tx.Ops), func(ctx context.Context) ([]storage.BatchResult, error) { return s.Store.Commit(ctx, tx) })
}

func (s *bounded) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	return within(ctx, s, true, func(ctx context.Context) (storage.PutResult, error) { return s.Store.Copy(ctx, src, dst, opts) })
}

func (s *bounded) CheckHealth(ctx context.Context) error {
	_, err := within(ctx, s, false, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.Store.CheckHealth(ctx) })
	return err
}

func (s *bounded) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	ctx, w := s.watch(ctx)
	stream, err := s.Store.Watch(ctx, opts)
	if err != nil {
		w.end()
		return nil, w.explain(err, false)
	}
	if !w.timer.Stop() {
		w.end()
		_ = stream.Close() // there is a better error to return
		return nil, w.explain(ctx.Err(), false)
	}
	return &boundedStream{stream, w}, nil
}

type boundedStream struct {
	storage.EventStream
	watchdog *watchdog
}

func (s *boundedStream) Close() error {
	defer s.watchdog.end()
	return s.EventStream.Close()
}

func onlyReads(ops []storage.BatchOp) bool {
	for _, op := range ops {
		if op.Kind != storage.BatchGet && op.Kind != storage.BatchStat {
			return false
		}
	}
	return true
}
