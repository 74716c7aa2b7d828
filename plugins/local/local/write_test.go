package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestBrokenBodyLeavesTheOldValue(t *testing.T) {
	broken := errors.New("the line went dead")
	for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
		onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
			for _, size := range []int{0, 10, 4096, 70_000, 300_000} {
				old := mustPut(t, s, "k", []byte("old"))
				body := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(cause))
				if _, err := s.Put(t.Context(), "k", body, storage.PutOptions{}); !errors.Is(err, cause) {
					t.Fatalf("after %d bytes: got %v", size, err)
				}
				now, err := s.Stat(t.Context(), "k", storage.StatOptions{})
				if err != nil || now.ETag != old.ETag {
					t.Fatalf("after %d bytes: the object is %v, %v", size, now, err)
				}
			}
			wantNoFiles(t, s)
		})
	}
}

// wantNoFiles checks that failed writes left no file.
func wantNoFiles(t *testing.T, s storage.Store) {
	t.Helper()
	if e, ok := engineOf(t, s).(*diskEngine); ok {
		if files := filesOf(t, e); len(files) > 0 {
			t.Errorf("%d files were left behind", len(files))
		}
	}
}

func TestContextEndsThePut(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		for _, size := range []int64{10, 300_000} {
			ctx, cancel := context.WithCancel(t.Context())
			body := io.MultiReader(io.LimitReader(zeros{}, size), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }))
			_, err := s.Put(ctx, "k", body, storage.PutOptions{})
			wantCode(t, err, storage.CodeCanceled)
			if storage.AsError(err).OutcomeUnknown {
				t.Error("the outcome of a put that was called off in time is known")
			}
			_, err = s.Stat(t.Context(), "k", storage.StatOptions{})
			wantCode(t, err, storage.CodeNotFound)
		}
		wantNoFiles(t, s)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestBodyWithoutProgressIsRefused(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		_, err := s.Put(t.Context(), "k", readerFunc(func([]byte) (int, error) { return 0, nil }), storage.PutOptions{})
		if !errors.Is(err, io.ErrNoProgress) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestFailedConditionDoesNotReadTheBody(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		o := mustPut(t, s, "k", []byte("old"))
		body := readerFunc(func([]byte) (int, error) { t.Error("the body was read"); return 0, io.EOF })
		_, err := s.Put(t.Context(), "k", body, storage.PutOptions{If: storage.IfAbsent()})
		wantCode(t, err, storage.CodeFailedPrecondition)
		if current := storage.AsError(err).Current; current != o.ETag {
			t.Errorf("the current etag is given as %q", current)
		}
	})
}

func TestWrongSizeHints(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		for _, size := range []int{0, 1, 4095, 4096, 4097, DefaultInlineLimit, DefaultInlineLimit + 1, 1 << 20, 3 << 20} {
			for _, hint := range []int64{0, 1, 4096, DefaultInlineLimit + 1, 1 << 30} {
				value := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
				body := iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(value)))
				res, err := s.Put(t.Context(), "k", body, storage.PutOptions{SizeHint: hint})
				if err != nil {
					t.Fatal(err)
				}
				if res.Object.Size != int64(size) || !bytes.Equal(mustGet(t, s, "k"), value) {
					t.Errorf("a value of %d bytes with hint %d came back different", size, hint)
				}
			}
		}
	})
}

func TestEtagsGuardCounters(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		const callers, increments, counters = 8, 25, 3
		for c := range counters {
			mustPut(t, s, fmt.Sprint(c), []byte("0"))
		}
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for i := range increments {
					if err := increment(t.Context(), s, fmt.Sprint((caller+i)%counters)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		total := 0
		for c := range counters {
			n, _ := strconv.Atoi(string(mustGet(t, s, fmt.Sprint(c))))
			total += n
		}
		if total != callers*increments {
			t.Errorf("%d increments were counted as %d", callers*increments, total)
		}
	})
}

func increment(ctx context.Context, s storage.Store, key string) error {
	for {
		r, err := s.Get(ctx, key, storage.GetOptions{})
		if err != nil {
			return err
		}
		value, err := r.Bytes()
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(value))
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, key, bytes.NewReader(strconv.AppendInt(nil, int64(n+1), 10)), storage.PutOptions{If: storage.IfETag(r.Object.ETag)})
		if !errors.Is(err, storage.ErrFailedPrecondition) {
			return err
		}
	}
}

func TestTransfersKeepTheSum(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		const accounts = 4
		for i := range accounts {
			mustPut(t, s, fmt.Sprint(i), bytes.Repeat([]byte("."), 100))
		}
		done := make(chan struct{})
		var observer sync.WaitGroup
		observer.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					wantSum(t, s, accounts)
				}
			}
		})
		var group sync.WaitGroup
		for caller := range 6 {
			group.Go(func() {
				for i := range 15 {
					if err := transfer(t.Context(), s, fmt.Sprint((caller+i)%accounts), fmt.Sprint((caller+i+1)%accounts)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		close(done)
		observer.Wait()
	})
}

func wantSum(t *testing.T, s storage.Store, accounts int) {
	t.Helper()
	ops := make([]storage.BatchOp, accounts)
	for i := range ops {
		ops[i] = storage.BatchOp{Kind: storage.BatchGet, Key: fmt.Sprint(i)}
	}
	results, err := s.Batch(t.Context(), ops, storage.BatchOptions{Atomic: true})
	if err != nil {
		t.Error(err)
		return
	}
	sum := 0
	for _, r := range results {
		sum += len(r.Value)
	}
	if sum != accounts*100 {
		t.Errorf("the sum was %d", sum)
	}
}

func transfer(ctx context.Context, s storage.Store, from, to string) error {
	for {
		read, err := s.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchGet, Key: from}, {Kind: storage.BatchGet, Key: to}}, storage.BatchOptions{})
		if err != nil {
			return err
		}
		tx := storage.Transaction{
			Checks: []storage.Check{{Key: from, ETag: read[0].Object.ETag}, {Key: to, ETag: read[1].Object.ETag}},
			Ops: []storage.BatchOp{
				{Kind: storage.BatchPut, Key: from, Value: read[0].Value[1:]},
				{Kind: storage.BatchPut, Key: to, Value: append(read[1].Value, '.')},
			},
		}
		if _, err := s.Commit(ctx, tx); !errors.Is(err, storage.ErrAborted) {
			return err
		}
	}
}
