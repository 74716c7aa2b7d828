package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestLargePagesTravelInParts(t *testing.T) {
	want := storage.Page{NextToken: "next", Partial: true, FailedBackends: []string{"a", "b"}}
	for i := range 6000 {
		want.Objects = append(want.Objects, storage.Object{
			Key: fmt.Sprintf("%06d", i), Size: int64(i), ETag: "e", Metadata: map[string]string{"note": strings.Repeat("m", 3000)},
			ModTime: time.Unix(int64(i), 5).UTC(),
		})
	}
	for i := range 4000 {
		want.Prefixes = append(want.Prefixes, fmt.Sprintf("p%06d/%s", i, strings.Repeat("p", 500)))
	}
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		list: func(_ context.Context, opts storage.ListOptions) (storage.Page, error) {
			if opts.Limit < len(want.Objects)+len(want.Prefixes) {
				return want, nil // a backend that gives more than it was asked for
			}
			return want, nil
		},
	})
	got, err := store.List(t.Context(), storage.ListOptions{Limit: storage.MaxListLimit})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page changed on its way: %.2000s", diff)
	}
	if _, err := store.List(t.Context(), storage.ListOptions{Limit: 10}); !errors.Is(err, storage.ErrInternal) {
		t.Errorf("a page over the limit gives %v, want Internal", err)
	}
}

// blockedWatch is a stream that gives one event and then waits.
type blockedWatch struct {
	sent   bool
	closed chan struct{}
}

func (w *blockedWatch) Next(ctx context.Context) (storage.Event, error) {
	if !w.sent {
		w.sent = true
		return storage.Event{Kind: storage.EventPut, Key: "k", ETag: "e", Cursor: "c1"}, nil
	}
	<-ctx.Done()
	return storage.Event{}, ctx.Err()
}
func (w *blockedWatch) Cursor() string { return "c0" }
func (w *blockedWatch) Close() error   { close(w.closed); return nil }

func TestWatchEndsHoweverItIsEnded(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(s storage.EventStream, cancelWatch, cancelNext context.CancelFunc)
	}{
		{"by Close", func(s storage.EventStream, _, _ context.CancelFunc) { _ = s.Close() }},
		{"by the context of Watch", func(_ storage.EventStream, cancel, _ context.CancelFunc) { cancel() }},
		{"by the context of Next", func(_ storage.EventStream, _, cancel context.CancelFunc) { cancel() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &blockedWatch{closed: make(chan struct{})}
			store := open(t, &fakeStore{
				caps:  storage.Capabilities{Watch: true, Consistency: storage.AllConsistencyLevels()},
				watch: func(context.Context, storage.WatchOptions) (storage.EventStream, error) { return w, nil },
			})
			ctx, cancelWatch := context.WithCancel(t.Context())
			defer cancelWatch()
			idle := goleak.IgnoreCurrent()
			s, err := store.Watch(ctx, storage.WatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if s.Cursor() != "c0" {
				t.Errorf("the first cursor is %q", s.Cursor())
			}
			e, err := s.Next(t.Context())
			if diff := cmp.Diff(storage.Event{Kind: storage.EventPut, Key: "k", ETag: "e", Cursor: "c1"}, e); err != nil || diff != "" {
				t.Fatalf("%v, %s", err, diff)
			}
			next, cancelNext := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := s.Next(next)
				ended <- err
			}()
			test.end(s, cancelWatch, cancelNext)
			if err := <-ended; !errors.Is(err, storage.ErrCanceled) {
				t.Errorf("Next ended with %v, want Canceled", err)
			}
			if _, err := s.Next(t.Context()); !errors.Is(err, storage.ErrCanceled) {
				t.Errorf("an error of Next is not final: %v", err)
			}
			cancelNext()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			<-w.closed
			goleak.VerifyNone(t, idle)
		})
	}
}

// A watcher that stops calling Next and never closes leaves nothing behind
// once its context is over.
func TestAForgottenWatchEndsWithItsContext(t *testing.T) {
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Watch: true, Consistency: storage.AllConsistencyLevels()},
		watch: func(context.Context, storage.WatchOptions) (storage.EventStream, error) {
			return endlessWatch{}, nil
		},
	})
	idle := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := store.Watch(ctx, storage.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	goleak.VerifyNone(t, idle)
}

type endlessWatch struct{}

func (endlessWatch) Next(ctx context.Context) (storage.Event, error) {
	return storage.Event{Kind: storage.EventDelete, Key: "k", Cursor: "c"}, ctx.Err()
}
func (endlessWatch) Cursor() string { return "c" }
func (endlessWatch) Close() error   { return nil }

func TestACancelledGetEnds(t *testing.T) {
	released := make(chan struct{})
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		get: func(ctx context.Context, key string, _ storage.GetOptions) (*storage.Reader, error) {
			body := &stuckBody{ctx.Done(), released}
			return storage.NewReader(storage.Object{Key: key, Size: 1 << 30}, 0, 1<<30, body), nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() {
		r, err := store.Get(ctx, "k", storage.GetOptions{})
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close()
		}
		started <- err
	}()
	cancel()
	if err := <-started; !errors.Is(err, storage.ErrCanceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

type stuckBody struct {
	done     <-chan struct{}
	released chan struct{}
}

func (b *stuckBody) Read([]byte) (int, error) {
	<-b.done
	return 0, context.Canceled
}
func (b *stuckBody) Close() error { close(b.released); return nil }
