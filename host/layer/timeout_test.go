package layer

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// slow takes some time for every call and for every piece of a value.
type slow struct {
	storage.Store
	call, piece time.Duration
	running     int
}

func nap(ctx context.Context, d time.Duration) error {
	if wait(ctx, d) {
		return nil
	}
	return ctx.Err()
}

func (s *slow) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	s.running++
	defer func() { s.running-- }()
	if err := nap(ctx, s.call); err != nil {
		return storage.Object{}, err
	}
	return s.Store.Stat(ctx, key, opts)
}

func (s *slow) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := nap(ctx, s.call); err != nil {
		return storage.Deleted{}, err
	}
	return s.Store.Delete(ctx, key, opts)
}

func (s *slow) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := nap(ctx, s.call); err != nil {
		return nil, err
	}
	r, err := s.Store.Get(ctx, key, opts)
	if err == nil {
		r.Wrap(func(source io.ReadCloser) io.ReadCloser { return slowSource{source, ctx, s.piece} })
	}
	return r, err
}

func (s *slow) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	var value strings.Builder
	for {
		n, err := io.CopyN(&value, body, 1)
		if n == 0 {
			if !errors.Is(err, io.EOF) {
				return storage.PutResult{}, err
			}
			break
		}
		if err := nap(ctx, s.piece); err != nil {
			return storage.PutResult{}, err
		}
	}
	if err := nap(ctx, s.call); err != nil {
		return storage.PutResult{}, err
	}
	return s.Store.Put(ctx, key, strings.NewReader(value.String()), opts)
}

type slowSource struct {
	io.ReadCloser
	ctx   context.Context
	piece time.Duration
}

func (s slowSource) Read(p []byte) (int, error) {
	if err := nap(s.ctx, s.piece); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(p[:1])
}

// slowBody gives one byte after each wait.
type slowBody struct {
	left int
	wait time.Duration
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(b.wait) // in a synctest bubble
	b.left--
	p[0] = 'x'
	return 1, nil
}

func TestTimeout(t *testing.T) {
	const limit = time.Second
	stat := func(ctx context.Context, s storage.Store) error {
		_, err := s.Stat(ctx, "k", storage.StatOptions{})
		return err
	}
	read := func(ctx context.Context, s storage.Store) error {
		r, err := s.Get(ctx, "k", storage.GetOptions{})
		if err != nil {
			return err
		}
		_, err = r.Bytes()
		return err
	}
	write := func(wait time.Duration) func(context.Context, storage.Store) error {
		return func(ctx context.Context, s storage.Store) error {
			_, err := s.Put(ctx, "k", &slowBody{10, wait}, storage.PutOptions{})
			return err
		}
	}
	cases := []struct {
		name        string
		call, piece time.Duration
		deadline    time.Duration // of the caller; 0: none
		run         func(context.Context, storage.Store) error
		took        time.Duration
		code        storage.Code // 0: success
		unknown     bool
		ours        bool // the error speaks of the backend
	}{
		{"in time", limit / 2, 0, 0, stat, limit / 2, 0, false, false},
		{"too late", 10 * limit, 0, 0, stat, limit, storage.CodeDeadlineExceeded, false, true},
		{"the caller's deadline comes first", 10 * limit, 0, limit / 2, stat, limit / 2, storage.CodeDeadlineExceeded, false, false},
		{"a delete is too late", 10 * limit, 0, 0, func(ctx context.Context, s storage.Store) error {
			_, err := s.Delete(ctx, "k", storage.DeleteOptions{})
			return err
		}, limit, storage.CodeDeadlineExceeded, true, true},
		{"a long read that moves", 0, limit / 2, 0, read, 5 * limit, 0, false, false},
		{"a read that stops", 0, 2 * limit, 0, read, limit, storage.CodeDeadlineExceeded, false, true},
		{"a long write that moves", 0, limit / 2, 0, write(0), 5 * limit, 0, false, false},
		{"a write that stops", 0, 2 * limit, 0, write(0), limit, storage.CodeDeadlineExceeded, true, true},
		{"a write of a slow caller", 0, limit / 2, 0, write(3 * limit), 35 * limit, 0, false, false},
		{"a write whose commit is too late", 5 * limit, 0, 0, write(3 * limit), 31 * limit, storage.CodeDeadlineExceeded, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory(t)
				put(t, m, "k", "0123456789")
				inner := &slow{Store: m, call: c.call, piece: c.piece}
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				begin := time.Now()
				err := c.run(ctx, Timeout(TimeoutOptions{Attempt: limit})(inner))
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if inner.running != 0 {
					t.Error("the operation returned while the backend was at work")
				}
				if c.code == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				e := wantCode(t, err, c.code)
				if e.OutcomeUnknown != c.unknown {
					t.Errorf("outcome unknown: %v, want %v", e.OutcomeUnknown, c.unknown)
				}
				if ours := strings.Contains(err.Error(), "did not answer within 1s"); ours != c.ours {
					t.Errorf("the error blames the backend: %v, want %v (%v)", ours, c.ours, err)
				}
			})
		})
	}
}

func TestWatchOutlivesTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t)
		w, err := Timeout(TimeoutOptions{Attempt: time.Second})(m).Watch(t.Context(), storage.WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		put(t, m, "k", "v")
		if ev, err := w.Next(t.Context()); err != nil || ev.Key != "k" {
			t.Errorf("after an hour: %v, %v", ev, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []string
		b := NewBreaker(BreakerOptions{
			Backend: "disk", Failures: 3, Window: 4, OpenFor: 10 * time.Second,
			Listener: event.Listener{BreakerChanged: func(i event.BreakerInfo) { states = append(states, i.State.String()) }},
		})
		var answer error
		calls := 0
		s := b.Layer()(interceptor{around: func(context.Context, *call, func() error) error {
			calls++
			return answer
		}}.layer()(memory(t)))
		stat := func() error {
			_, err := s.Stat(t.Context(), "k", storage.StatOptions{})
			return err
		}
		for _, answer = range []error{storage.ErrNotFound, down(), storage.ErrNotFound, down()} {
			_ = stat()
		}
		if got := b.State().State; got != event.BreakerClosed {
			t.Fatalf("%v after 2 failures in 4", got)
		}
		answer = storage.Errorf(storage.CodeInternal, "the disk is on fire")
		_ = stat()
		if got := b.State(); got.State != event.BreakerOpen || got.RetryAfter < 8*time.Second || got.RetryAfter > 12*time.Second {
			t.Fatalf("%+v after 3 failures in 4", got)
		}
		calls = 0
		err := stat()
		e := wantCode(t, err, storage.CodeUnavailable)
		if calls != 0 || e.RetryAfter < 8*time.Second || !strings.Contains(err.Error(), "the disk is on fire") {
			t.Errorf("%d calls passed; retry after %v; %v", calls, e.RetryAfter, err)
		}
		if err := s.CheckHealth(t.Context()); !errors.Is(err, storage.ErrInternal) {
			t.Errorf("a health check did not reach the backend: %v", err)
		}

		time.Sleep(13 * time.Second)
		if got := b.State().State; got != event.BreakerHalfOpen {
			t.Errorf("%v after its time", got)
		}
		_ = stat() // a canary that fails
		if got := b.State().State; got != event.BreakerOpen {
			t.Errorf("%v after a canary failed", got)
		}
		time.Sleep(13 * time.Second)
		answer = nil
		if err := stat(); err != nil {
			t.Errorf("the canary: %v", err)
		}
		if got := b.State().State; got != event.BreakerClosed {
			t.Errorf("%v after a canary succeeded", got)
		}
		if got, want := strings.Join(states, " "), "open half-open open half-open closed"; got != want {
			t.Errorf("states %s, want %s", got, want)
		}
	})
}

func TestBreakerLetsOneCanaryThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(BreakerOptions{Failures: 1, OpenFor: time.Second})
		release := make(chan error)
		calls := 0
		s := b.Layer()(interceptor{around: func(ctx context.Context, _ *call, _ func() error) error {
			calls++
			select {
			case err := <-release:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}}.layer()(memory(t)))
		stat := func(ctx context.Context) error {
			_, err := s.Stat(ctx, "k", storage.StatOptions{})
			return err
		}
		early := make(chan error, 1)
		go func() { early <- stat(t.Context()) }() // begins while the breaker is closed
		synctest.Wait()
		go func() { release <- down() }()
		go func() { _ = stat(t.Context()) }()
		synctest.Wait()
		if got := b.State().State; got != event.BreakerOpen {
			t.Fatalf("%v after a failure", got)
		}
		time.Sleep(2 * time.Second)

		// The canary is given up by its caller: that says nothing, and another
		// may try at once.
		calls = 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- stat(ctx) }()
		synctest.Wait()
		if err := stat(t.Context()); !errors.Is(err, storage.ErrUnavailable) || calls != 1 {
			t.Errorf("beside the canary: %v after %d calls", err, calls)
		}
		cancel()
		<-done
		if got := b.State().State; got != event.BreakerHalfOpen {
			t.Errorf("%v after the canary was given up", got)
		}
		go func() { done <- stat(t.Context()) }()
		synctest.Wait()
		if calls != 2 {
			t.Errorf("%d calls: no second canary", calls)
		}
		for range 2 { // the canary and the early one, which no longer counts
			release <- nil
		}
		if err := errors.Join(<-done); err != nil {
			t.Error(err)
		}
		if err := <-early; err != nil && !errors.Is(err, storage.ErrUnavailable) {
			t.Error(err)
		}
		if got := b.State().State; got != event.BreakerClosed {
			t.Errorf("%v at the end", got)
		}
	})
}

func TestWhatCountsAgainstTheBackend(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		cancel bool // the caller's context is done
		opens  bool
	}{
		{"unavailable", down(), false, true},
		{"throttled", storage.ErrThrottled, false, true},
		{"data loss", storage.ErrDataLoss, false, true},
		{"internal", storage.ErrInternal, false, true},
		{"its own timeout", storage.ErrDeadlineExceeded, false, true},
		{"the caller's deadline", storage.ErrDeadlineExceeded, true, false},
		{"the caller's cancellation", storage.ErrCanceled, true, false},
		{"unavailable while the caller is gone", down(), true, true},
		{"not found", storage.ErrNotFound, false, false},
		{"condition failed", storage.ErrFailedPrecondition, false, false},
		{"quota", storage.ErrQuotaExceeded, false, false},
		{"permission", storage.ErrPermissionDenied, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := NewBreaker(BreakerOptions{Failures: 2, Window: 2})
			s, _ := faulty(memory(t), event.OpStat, fault{err: c.err}, fault{err: c.err}, fault{err: c.err})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel {
				cancel()
			}
			for range 2 {
				_, _ = b.Layer()(s).Stat(ctx, "k", storage.StatOptions{})
			}
			if open := b.State().State == event.BreakerOpen; open != c.opens {
				t.Errorf("the breaker is open: %v", open)
			}
		})
	}
}

func TestBreakerCountsBrokenStreams(t *testing.T) {
	cases := []struct {
		name string
		s    func(m storage.Store) storage.Store
		code storage.Code
	}{
		{"that break off", func(m storage.Store) storage.Store { return &breaking{Store: m, err: down(), left: 1 << 20} }, storage.CodeUnavailable},
		{"that are damaged", func(m storage.Store) storage.Store { return &breaking{Store: m, damage: true} }, storage.CodeDataLoss},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			put(t, m, "k", "more than seven bytes")
			b := NewBreaker(BreakerOptions{Failures: 2, Window: 4})
			s := b.Layer()(c.s(m))
			for range 2 {
				r, err := s.Get(t.Context(), "k", storage.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = r.Bytes()
				wantCode(t, err, c.code)
			}
			if got := b.State().State; got != event.BreakerOpen {
				t.Errorf("the breaker is %v after two broken streams", got)
			}
		})
	}
}

func TestBreakerKeepsItsPermitThroughAPanic(t *testing.T) {
	b := NewBreaker(BreakerOptions{Failures: 1})
	s := b.Layer()(interceptor{around: func(context.Context, *call, func() error) error { panic("bug") }}.layer()(memory(t)))
	func() {
		defer func() { _ = recover() }()
		_ = s.Close(t.Context())
		_, _ = s.Stat(t.Context(), "k", storage.StatOptions{})
	}()
	if got := b.State().State; got != event.BreakerOpen {
		t.Errorf("%v after a panic", got)
	}
	b.Reset()
	if got := b.State().State; got != event.BreakerClosed {
		t.Errorf("%v after a reset", got)
	}
}
