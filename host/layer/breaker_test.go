package layer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

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
		go func() { early <- stat(t.Context()) }() // both begin while the breaker is closed,
		synctest.Wait()
		go func() { _ = stat(t.Context()) }()
		synctest.Wait()
		release <- down() // and either of them opens it
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
		<-done //nolint:errcheck // only its end counts
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

// An operation that began before the breaker opened says nothing about the
// backend as it is now.
func TestLateSuccessDoesNotCloseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(BreakerOptions{Failures: 1, OpenFor: time.Second})
		answers := map[string]chan error{"early": make(chan error), "failing": make(chan error, 1), "canary": make(chan error)}
		s := b.Layer()(interceptor{around: func(_ context.Context, c *call, _ func() error) error { return <-answers[c.key] }}.layer()(memory(t)))
		begin := func(key string) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := s.Stat(t.Context(), key, storage.StatOptions{})
				done <- err
			}()
			synctest.Wait()
			return done
		}
		early := begin("early")
		answers["failing"] <- down()
		<-begin("failing") //nolint:errcheck // only its end counts
		time.Sleep(2 * time.Second)
		canary := begin("canary")
		answers["early"] <- nil
		if err := <-early; err != nil {
			t.Error(err)
		}
		if got := b.State().State; got != event.BreakerHalfOpen {
			t.Errorf("%v after a success from before", got)
		}
		answers["canary"] <- down()
		<-canary //nolint:errcheck // only its end counts
		if got := b.State().State; got != event.BreakerOpen {
			t.Errorf("%v after the canary failed", got)
		}
	})
}
