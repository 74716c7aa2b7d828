package routing

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func memory(t testing.TB) storage.Store {
	s := storage.Complete(local.OpenMemory(local.MemoryOptions{}))
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// switched is a child that can be broken, with a breaker that is set by hand.
type switched struct {
	storage.Store
	err      atomic.Pointer[storage.Error] // of all operations
	writeErr atomic.Pointer[storage.Error] // of writes alone
	breaker  atomic.Pointer[event.BreakerInfo]
	calls    atomic.Int64
	block    func()
	held     atomic.Pointer[heldPut]
	cutAfter atomic.Int64 // after how many bytes the next value read breaks off; 0: never
}

// heldPut is a value whose Put waits.
type heldPut struct {
	value   string
	entered func()
	release <-chan struct{}
}

// holdPut has the next Put of value wait for release, once it has called
// entered.
func (s *switched) holdPut(value string, entered func(), release <-chan struct{}) {
	s.held.Store(&heldPut{value, entered, release})
}

func (s *switched) failWrites(code storage.Code) {
	s.writeErr.Store(storage.Errorf(code, "writes switched to %v", code))
}

func (s *switched) brokenWrite() error {
	if e := s.writeErr.Load(); e != nil {
		return e
	}
	return s.broken()
}

func newSwitched(t testing.TB) *switched { return &switched{Store: memory(t)} }

func (s *switched) fail(code storage.Code) {
	s.err.Store(storage.Errorf(code, "switched to %v", code))
}

func (s *switched) state(state event.BreakerState) { s.breaker.Store(&event.BreakerInfo{State: state}) }

func (s *switched) child(name string) Child {
	return Child{Name: name, Store: s, State: func() event.BreakerInfo {
		if i := s.breaker.Load(); i != nil {
			return *i
		}
		return event.BreakerInfo{}
	}}
}

func (s *switched) broken() error {
	s.calls.Add(1)
	if s.block != nil {
		s.block()
	}
	if e := s.err.Load(); e != nil {
		return e
	}
	return nil
}

func (s *switched) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := s.broken(); err != nil {
		return nil, err
	}
	r, err := s.Store.Get(ctx, key, opts)
	if n := s.cutAfter.Swap(0); err == nil && n > 0 {
		r.Wrap(func(source io.ReadCloser) io.ReadCloser { return &cutSource{source, n} })
	}
	return r, err
}

// cutSource breaks off after left bytes.
type cutSource struct {
	io.ReadCloser
	left int64
}

func (s *cutSource) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, storage.Errorf(storage.CodeUnavailable, "the stream was cut")
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}

func (s *switched) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.brokenWrite(); err != nil {
		return storage.PutResult{}, err
	}
	if h := s.held.Load(); h != nil {
		value, err := io.ReadAll(body)
		if err != nil {
			return storage.PutResult{}, err
		}
		if body = bytes.NewReader(value); string(value) == h.value && s.held.CompareAndSwap(h, nil) {
			h.entered()
			select {
			case <-h.release:
			case <-ctx.Done():
				return storage.PutResult{}, ctx.Err()
			}
		}
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s *switched) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := s.broken(); err != nil {
		return storage.Object{}, err
	}
	return s.Store.Stat(ctx, key, opts)
}

func (s *switched) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := s.brokenWrite(); err != nil {
		return storage.Deleted{}, err
	}
	return s.Store.Delete(ctx, key, opts)
}

func (s *switched) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := s.broken(); err != nil {
		return storage.Page{}, err
	}
	return s.Store.List(ctx, opts)
}

func (s *switched) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := s.broken(); err != nil {
		return nil, err
	}
	return s.Store.Batch(ctx, ops, opts)
}

func (s *switched) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if err := s.broken(); err != nil {
		return storage.PutResult{}, err
	}
	return s.Store.Copy(ctx, src, dst, opts)
}

func (s *switched) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := s.broken(); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, tx)
}

func (s *switched) CheckHealth(context.Context) error { return s.broken() }

func put(t testing.TB, s storage.Store, key, value string) storage.Object {
	t.Helper()
	res, err := s.Put(t.Context(), key, strings.NewReader(value), storage.PutOptions{})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return res.Object
}

func read(t testing.TB, s storage.Store, key string, opts storage.GetOptions) (string, error) {
	t.Helper()
	r, err := s.Get(t.Context(), key, opts)
	if err != nil {
		return "", err
	}
	b, err := r.Bytes()
	return string(b), err
}

func wantCode(t testing.TB, err error, code storage.Code) storage.Error {
	t.Helper()
	if err == nil || storage.CodeOf(err) != code {
		t.Fatalf("got %v, want %v", err, code)
	}
	return *storage.AsError(err)
}
