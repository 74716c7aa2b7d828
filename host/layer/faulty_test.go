package layer

import (
	"context"
	"io"
	"strings"
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

// faults is what happens to the operations of one kind, one after another;
// those beyond succeed. Nil succeeds too.
type fault struct {
	err error
	// after: the operation happens, and then seems to have failed.
	after bool
}

// faulty lets the operations op of s fail. The count is of their attempts.
func faulty(s storage.Store, op event.Op, faults ...fault) (_ storage.Store, count *int) {
	count = new(int)
	return interceptor{around: func(_ context.Context, c *call, next func() error) error {
		if c.op != op {
			return next()
		}
		*count++
		if *count > len(faults) {
			return next()
		}
		f := faults[*count-1]
		if f.err == nil || f.after {
			if err := next(); err != nil || f.err == nil {
				return err
			}
		}
		return f.err
	}}.layer()(s), count
}

func down() error { return storage.Errorf(storage.CodeUnavailable, "down") }

func lost() error {
	err := storage.Errorf(storage.CodeUnavailable, "the connection broke")
	err.OutcomeUnknown = true
	return err
}

func put(t testing.TB, s storage.Store, key, value string) storage.Object {
	t.Helper()
	res, err := s.Put(t.Context(), key, strings.NewReader(value), storage.PutOptions{})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return res.Object
}

func get(t testing.TB, s storage.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, storage.GetOptions{})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	b, err := r.Bytes()
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return string(b)
}

func wantCode(t testing.TB, err error, code storage.Code) storage.Error {
	t.Helper()
	if err == nil || storage.CodeOf(err) != code {
		t.Fatalf("got %v, want %v", err, code)
	}
	return *storage.AsError(err)
}

// onlyReader hides that a reader can seek.
type onlyReader struct{ io.Reader }
