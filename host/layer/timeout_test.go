package layer

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
