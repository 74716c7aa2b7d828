package layer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestConformance(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(testing.TB) storage.Backend {
			return Stack(StackOptions{Backend: "mem", Plugin: "local"})(storage.Complete(local.OpenMemory(local.MemoryOptions{})))
		},
		Options: storagetest.Options{Alone: true},
	})
}

func BenchmarkStack(b *testing.B) {
	m := memory(b)
	b.Run("bare", func(b *testing.B) { benchmarkPutAndGet(b, m) })
	b.Run("stack", func(b *testing.B) { benchmarkPutAndGet(b, Stack(StackOptions{Backend: "mem"})(m)) })
}

func benchmarkPutAndGet(b *testing.B, s storage.Store) {
	value := bytes.Repeat([]byte("x"), 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Put(b.Context(), "k", bytes.NewReader(value), storage.PutOptions{}); err != nil {
			b.Fatal(err)
		}
		r, err := s.Get(b.Context(), "k", storage.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestChainPutsTheFirstOutermost(t *testing.T) {
	var order []string
	note := func(name string) Layer {
		return interceptor{around: func(_ context.Context, _ *call, next func() error) error {
			order = append(order, name)
			return next()
		}}.layer()
	}
	s := Chain(note("outer"), note("inner"))(memory(t))
	if err := s.CheckHealth(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "outer inner" {
		t.Errorf("called %s", got)
	}
}

// A backend that is down for a moment: one operation succeeds at its third
// attempt, is reported once, and the breaker has seen both failures.
func TestStackWorksTogether(t *testing.T) {
	m := memory(t)
	put(t, m, "k", "v")
	flaky, count := faulty(m, event.OpGet, fault{err: down()}, fault{err: down()})
	var operations []event.OperationInfo
	retries := 0
	breaker := NewBreaker(BreakerOptions{Failures: 3, Window: 10})
	s := Stack(StackOptions{
		Backend: "disk", Plugin: "local", Breaker: breaker, Retry: RetryOptions{BaseDelay: 1},
		Listener: event.Listener{
			Operation: func(i event.OperationInfo) { operations = append(operations, i) },
			Retry:     func(event.RetryInfo) { retries++ },
		},
	})(flaky)
	if got := get(t, s, "k"); got != "v" || *count != 3 || retries != 2 {
		t.Errorf("got %q after %d attempts and %d retries", got, *count, retries)
	}
	if len(operations) != 1 {
		t.Fatalf("%d operations were reported", len(operations))
	}
	if o := operations[0]; o.Backend != "disk" || o.Plugin != "local" || o.Op != event.OpGet || o.Key != "k" || o.BytesRead != 1 || o.Err != nil || o.Duration <= 0 {
		t.Errorf("reported %+v", o)
	}
	if got := breaker.circuit.Metrics().Failures(); got != 2 {
		t.Errorf("the breaker saw %d failures, want 2", got)
	}
	_, err := s.Stat(t.Context(), "missing", storage.StatOptions{})
	e := wantCode(t, err, storage.CodeNotFound)
	if e.Backend != "disk" || e.Plugin != "local" || e.Op != "stat" || e.Key != "missing" {
		t.Errorf("the error names %q, %q, %q, %q", e.Backend, e.Plugin, e.Op, e.Key)
	}
}

func TestMeasureReports(t *testing.T) {
	cases := []struct {
		name string
		run  func(ctx context.Context, t *testing.T, s storage.Store)
		want event.OperationInfo
	}{
		{
			"a put with its bytes", func(_ context.Context, t *testing.T, s storage.Store) { put(t, s, "new", "four") },
			event.OperationInfo{Op: event.OpPut, Key: "new", BytesWritten: 4},
		},
		{"a read of a part when it is closed", func(ctx context.Context, t *testing.T, s storage.Store) {
			r, err := s.Get(ctx, "k", storage.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = r.Read(make([]byte, 2))
			_ = r.Close()
		}, event.OperationInfo{Op: event.OpGet, Key: "k", BytesRead: 2}},
		{"an error with its code", func(ctx context.Context, _ *testing.T, s storage.Store) {
			_, _ = s.Get(ctx, "missing", storage.GetOptions{})
		}, event.OperationInfo{Op: event.OpGet, Key: "missing", Code: storage.CodeNotFound}},
		{"a batch with the bytes of both ways", func(ctx context.Context, _ *testing.T, s storage.Store) {
			_, _ = s.Batch(ctx, []storage.BatchOp{
				{Kind: storage.BatchPut, Key: "b", Value: []byte("abc")}, {Kind: storage.BatchGet, Key: "k"},
			}, storage.BatchOptions{})
		}, event.OperationInfo{Op: event.OpBatch, BytesRead: 5, BytesWritten: 3}},
		{"a watch when it is closed", func(ctx context.Context, t *testing.T, s storage.Store) {
			w, err := s.Watch(ctx, storage.WatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			_ = w.Close()
		}, event.OperationInfo{Op: event.OpWatch}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			put(t, m, "k", "value")
			var told []event.OperationInfo
			s := Measure("", "", event.Listener{Operation: func(i event.OperationInfo) { told = append(told, i) }})(m)
			c.run(t.Context(), t, s)
			if len(told) != 1 {
				t.Fatalf("told of %d operations", len(told))
			}
			got := told[0]
			if (got.Err != nil) != (c.want.Code != 0) || got.Duration <= 0 {
				t.Errorf("error %v, duration %v", got.Err, got.Duration)
			}
			got.Err, got.Duration = nil, 0
			if got != c.want {
				t.Errorf("told %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestNamesReachStreamsAndBatches(t *testing.T) {
	m := memory(t)
	put(t, m, "k", "more than seven bytes")
	named := Named("disk", "local")
	r, err := named(&breaking{Store: m, err: down(), left: 1}).Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Bytes()
	if e := wantCode(t, err, storage.CodeUnavailable); e.Backend != "disk" || e.Plugin != "local" {
		t.Errorf("a broken stream names %q and %q", e.Backend, e.Plugin)
	}
	results, err := named(m).Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "missing"}}, storage.BatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if e := wantCode(t, results[0].Err, storage.CodeNotFound); e.Backend != "disk" {
		t.Errorf("an operation of a batch names %q", e.Backend)
	}
	inner := storage.Errorf(storage.CodeInternal, "x")
	inner.Backend = "deeper"
	s, _ := faulty(m, event.OpStat, fault{err: inner})
	_, err = named(s).Stat(t.Context(), "k", storage.StatOptions{})
	if e := wantCode(t, err, storage.CodeInternal); e.Backend != "deeper" || inner.Plugin != "" {
		t.Errorf("the name %q took the place of another, or the error of the backend was changed", e.Backend)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t)
		put(t, m, "k", "v")
		release := make(chan struct{})
		s := Concurrency(ConcurrencyOptions{MaxInFlight: 2, MaxQueued: 1, MaxQueueing: time.Minute})(
			interceptor{around: func(_ context.Context, c *call, next func() error) error {
				if c.op == event.OpStat {
					<-release
				}
				return next()
			}}.layer()(m))
		stat := func(ctx context.Context) error {
			_, err := s.Stat(ctx, "k", storage.StatOptions{})
			return err
		}
		reader, err := s.Get(t.Context(), "k", storage.GetOptions{}) // keeps its slot
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wg.Go(func() { errs[i] = stat(t.Context()) })
		}
		synctest.Wait()
		if e := wantCode(t, stat(t.Context()), storage.CodeThrottled); e.RetryAfter <= 0 {
			t.Error("one too many is not told when to come back")
		}
		if err := s.CheckHealth(t.Context()); err != nil {
			t.Errorf("a health check had to queue: %v", err)
		}
		_ = reader.Close() // makes room for the one that waits
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := stat(ctx); !errors.Is(err, storage.ErrDeadlineExceeded) {
			t.Errorf("waiting past the caller's deadline: %v", err)
		}
		begin := time.Now()
		wantCode(t, stat(t.Context()), storage.CodeThrottled)
		if waited := time.Since(begin); waited != time.Minute {
			t.Errorf("waited %v for a slot", waited)
		}
		close(release)
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if err := errors.Join(stat(t.Context()), stat(t.Context()), stat(t.Context())); err != nil {
			t.Errorf("slots were lost: %v", err)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReservedMetadataIsKeptApart(t *testing.T) {
	m := memory(t)
	s := Reserved()(m)
	hidden := map[string]string{"a": "b", WriteIDMetadata: "x"}
	if _, err := m.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{Metadata: hidden}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, o storage.Object, err error) {
		t.Helper()
		if err != nil || len(o.Metadata) != 1 || o.Metadata["a"] != "b" {
			t.Errorf("%s shows %v, %v", what, o.Metadata, err)
		}
	}
	o, err := s.Stat(t.Context(), "k", storage.StatOptions{})
	check("stat", o, err)
	r, err := s.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check("get", r.Object, r.Close())
	page, err := s.List(t.Context(), storage.ListOptions{})
	check("list", page.Objects[0], err)
	copied, err := s.Copy(t.Context(), "k", "copy", storage.CopyOptions{})
	check("copy", copied.Object, err)
	results, err := s.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchStat, Key: "k"}}, storage.BatchOptions{})
	check("batch", results[0].Object, err)
	results, err = s.Commit(t.Context(), storage.Transaction{Ops: []storage.BatchOp{{Kind: storage.BatchStat, Key: "k"}}})
	check("commit", results[0].Object, err)
	if kept, err := m.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || kept.Metadata[WriteIDMetadata] != "x" {
		t.Errorf("hiding the entry changed the object: %v, %v", kept.Metadata, err)
	}

	for name, metadata := range map[string]map[string]string{
		"reserved": {"stowage-x": "y"},
		"too long": {"a": strings.Repeat("x", storage.MaxMetadataBytes)},
	} {
		t.Run(name, func(t *testing.T) {
			opts := storage.PutOptions{Metadata: metadata}
			_, err := s.Put(t.Context(), "n", strings.NewReader("v"), opts)
			wantCode(t, err, storage.CodeInvalidArgument)
			ops := []storage.BatchOp{{Kind: storage.BatchPut, Key: "n", Put: opts}}
			_, err = s.Batch(t.Context(), ops, storage.BatchOptions{})
			wantCode(t, err, storage.CodeInvalidArgument)
			_, err = s.Commit(t.Context(), storage.Transaction{Ops: ops})
			wantCode(t, err, storage.CodeInvalidArgument)
		})
	}
}
