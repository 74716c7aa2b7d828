package layer

import (
	"bytes"
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

func TestWhatIsTriedAgain(t *testing.T) {
	key := "k"
	throttledFor := func(d time.Duration) error {
		err := storage.Errorf(storage.CodeThrottled, "slow down")
		err.RetryAfter = d
		return err
	}
	retriedAlready := storage.Errorf(storage.CodeUnavailable, "down")
	retriedAlready.Retried = true
	stat := func(ctx context.Context, s storage.Store) error {
		_, err := s.Stat(ctx, key, storage.StatOptions{})
		return err
	}
	puts := func(op storage.BatchOp) func(context.Context, storage.Store) error {
		return func(ctx context.Context, s storage.Store) error {
			_, err := s.Batch(ctx, []storage.BatchOp{op}, storage.BatchOptions{})
			return err
		}
	}
	cases := []struct {
		name     string
		op       event.Op
		run      func(context.Context, storage.Store) error
		err      error
		attempts int
	}{
		{"unavailable", event.OpStat, stat, down(), 2},
		{"timed out", event.OpStat, stat, storage.Errorf(storage.CodeDeadlineExceeded, "late"), 2},
		{"throttled", event.OpStat, stat, throttledFor(time.Second), 2},
		{"throttled for longer than anybody waits", event.OpStat, stat, throttledFor(time.Hour), 1},
		{"not found", event.OpStat, stat, storage.ErrNotFound, 1},
		{"internal", event.OpStat, stat, storage.ErrInternal, 1},
		{"data loss", event.OpStat, stat, storage.ErrDataLoss, 1},
		{"quota exceeded", event.OpStat, stat, storage.ErrQuotaExceeded, 1},
		{"aborted", event.OpStat, stat, storage.ErrAborted, 1},
		{"retried further in", event.OpStat, stat, retriedAlready, 1},
		{"list", event.OpList, func(ctx context.Context, s storage.Store) error {
			_, err := s.List(ctx, storage.ListOptions{})
			return err
		}, down(), 2},
		{"get", event.OpGet, func(ctx context.Context, s storage.Store) error {
			r, err := s.Get(ctx, key, storage.GetOptions{})
			if err == nil {
				err = r.Close()
			}
			return err
		}, down(), 2},
		{"watch", event.OpWatch, func(ctx context.Context, s storage.Store) error {
			w, err := s.Watch(ctx, storage.WatchOptions{})
			if err == nil {
				err = w.Close()
			}
			return err
		}, down(), 2},
		{"health check", event.OpHealth, func(ctx context.Context, s storage.Store) error { return s.CheckHealth(ctx) }, down(), 1},
		{"batch of writes that did not happen", event.OpBatch, puts(storage.BatchOp{Kind: storage.BatchDelete, Key: key}), down(), 2},
		{"batch of writes of unknown outcome", event.OpBatch, puts(storage.BatchOp{Kind: storage.BatchDelete, Key: key}), lost(), 1},
		{"batch of reads of unknown outcome", event.OpBatch, puts(storage.BatchOp{Kind: storage.BatchStat, Key: key}), lost(), 2},
		{"commit of unknown outcome", event.OpCommit, func(ctx context.Context, s storage.Store) error {
			_, err := s.Commit(ctx, storage.Transaction{Ops: []storage.BatchOp{{Kind: storage.BatchDelete, Key: key}}})
			return err
		}, lost(), 1},
		{"copy of unknown outcome", event.OpCopy, func(ctx context.Context, s storage.Store) error {
			_, err := s.Copy(ctx, key, "other", storage.CopyOptions{})
			return err
		}, lost(), 2},
		{"conditional copy of unknown outcome", event.OpCopy, func(ctx context.Context, s storage.Store) error {
			_, err := s.Copy(ctx, key, "other", storage.CopyOptions{If: storage.IfAbsent()})
			return err
		}, lost(), 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			put(t, m, key, "v")
			s, count := faulty(m, c.op, fault{err: c.err})
			err := c.run(t.Context(), Retry(RetryOptions{BaseDelay: 1, MaxDelay: time.Second})(s))
			if *count != c.attempts {
				t.Errorf("%d attempts, want %d", *count, c.attempts)
			}
			if (err == nil) != (c.attempts == 2) {
				t.Errorf("the operation ended with %v", err)
			}
		})
	}
}

func TestRetriesAreBounded(t *testing.T) {
	faults := []fault{{err: down()}, {err: down()}, {err: down()}, {err: down()}, {err: down()}}
	s, count := faulty(memory(t), event.OpStat, faults...)
	var told []event.RetryInfo
	_, err := Retry(RetryOptions{
		MaxAttempts: 3, BaseDelay: 1, Backend: "disk",
		Listener: event.Listener{Retry: func(i event.RetryInfo) { told = append(told, i) }},
	})(s).Stat(t.Context(), "k", storage.StatOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); !e.Retried || e.OutcomeUnknown {
		t.Errorf("the error of retried reads says retried %v, outcome unknown %v", e.Retried, e.OutcomeUnknown)
	}
	if *count != 3 || len(told) != 2 || told[1].Attempt != 2 || told[0].Backend != "disk" {
		t.Errorf("%d attempts, told of %+v", *count, told)
	}
}

func TestRetryWaits(t *testing.T) {
	cases := []struct {
		name     string
		err      func() *storage.Error
		deadline time.Duration
		min, max time.Duration
		attempts int
	}{
		{"a random part of the backoff", func() *storage.Error { return storage.AsError(down()) }, time.Hour, 0, time.Second, 2},
		{"what the error asks for", func() *storage.Error {
			e := storage.AsError(down())
			e.RetryAfter = 3 * time.Second
			return e
		}, time.Hour, 3 * time.Second, 3 * time.Second, 2},
		{"not past the deadline", func() *storage.Error {
			e := storage.AsError(down())
			e.RetryAfter = 3 * time.Second
			return e
		}, 2 * time.Second, 0, 0, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, count := faulty(memory(t), event.OpStat, fault{err: c.err()})
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				begin := time.Now()
				_, _ = Retry(RetryOptions{BaseDelay: time.Second, MaxDelay: 5 * time.Second})(s).Stat(ctx, "k", storage.StatOptions{})
				if took := time.Since(begin); took < c.min || took > c.max || *count != c.attempts {
					t.Errorf("%d attempts in %v", *count, took)
				}
			})
		})
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	r := &retrier{opts: RetryOptions{BaseDelay: 100, MaxDelay: 1000}}
	for made, most := range map[int]time.Duration{1: 100, 2: 200, 4: 800, 5: 1000, 60: 1000} {
		longest := time.Duration(0)
		for range 2000 {
			longest = max(longest, r.backoff(made))
		}
		if longest > most || longest < most*8/10 {
			t.Errorf("after %d attempts the longest of many waits is %d, want up to %d", made, longest, most)
		}
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		slow := storage.AsError(lost())
		slow.RetryAfter = time.Second
		s, count := faulty(memory(t), event.OpPut, fault{err: slow})
		go func() {
			_, err := Retry(RetryOptions{})(s).Put(ctx, "k", strings.NewReader("v"), storage.PutOptions{})
			failed <- err
		}()
		synctest.Wait()
		cancel()
		e := wantCode(t, <-failed, storage.CodeCanceled)
		if !e.OutcomeUnknown || !errors.Is(&e, storage.ErrUnavailable) || *count != 1 {
			t.Errorf("after %d attempts: %v", *count, &e)
		}
	})
}

func TestBudgetBoundsRetriesOfTheWholeHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget()
		refused := 0
		o := RetryOptions{
			MaxAttempts: 2, BaseDelay: 1, Budget: budget,
			Listener: event.Listener{Retry: func(i event.RetryInfo) {
				if i.BudgetSpent {
					refused++
				}
			}},
		}
		broken := interceptor{around: func(context.Context, *call, func() error) error { return down() }}.layer()(memory(t))
		one, other := Retry(o)(broken), Retry(o)(broken)
		const operations = 10_000
		for range operations / 2 {
			_, _ = one.Stat(t.Context(), "k", storage.StatOptions{})
			_, _ = other.Stat(t.Context(), "k", storage.StatOptions{})
		}
		retries, want := operations-refused, operations*BudgetShare+BudgetReserve
		if retries > int(want)+1 || retries < int(want)-2 {
			t.Errorf("%d of %d operations were retried, want %v", retries, operations, want)
		}
		time.Sleep(BudgetFloor)
		if !budget.spend() {
			t.Error("no retry is allowed after a quiet second")
		}
		if budget.spend() {
			t.Error("a second retry is allowed at once")
		}
	})
}

func TestPutIsTriedAgainOnlyWithItsWholeBody(t *testing.T) {
	value := strings.Repeat("x", 1000)
	seeker := func() io.Reader {
		r := strings.NewReader("skip" + value)
		_, _ = r.Seek(4, io.SeekStart)
		return r
	}
	cases := []struct {
		name     string
		body     func() io.Reader
		hint     int64
		readOf   int // what the failing attempt reads
		attempts int
	}{
		{"nothing was read", func() io.Reader { return onlyReader{seeker()} }, 1 << 30, 0, 2},
		{"it can seek", seeker, 0, 700, 2},
		{"it fits into the buffer", func() io.Reader { return onlyReader{seeker()} }, 0, 100, 2},
		{"too much was read", func() io.Reader { return onlyReader{seeker()} }, 0, 700, 1},
		{"it will not fit", func() io.Reader { return onlyReader{seeker()} }, 1000, 100, 1},
		{"the body fails", func() io.Reader { return io.MultiReader(strings.NewReader("x"), brokenBody{}) }, 0, 100, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			failing := &halfReader{Store: m, readOf: c.readOf}
			res, err := Retry(RetryOptions{BaseDelay: 1, ReplayBytes: 500})(failing).
				Put(t.Context(), "k", c.body(), storage.PutOptions{SizeHint: c.hint})
			if failing.attempts != c.attempts {
				t.Fatalf("%d attempts, want %d", failing.attempts, c.attempts)
			}
			if c.attempts == 1 {
				wantCode(t, err, storage.CodeUnavailable)
				return
			}
			if err != nil || get(t, m, "k") != value {
				t.Errorf("the retried put stored another value, or failed: %v", err)
			}
			if res.Created != storage.Yes {
				t.Errorf("created %v after an attempt that certainly did not happen", res.Created)
			}
		})
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("the caller's file broke") }

// halfReader fails the first put after it read a part of the body, and keeps
// the body.
type halfReader struct {
	storage.Store
	readOf   int
	attempts int
	kept     io.Reader
}

func (s *halfReader) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	s.attempts++
	if s.attempts == 1 {
		_, _ = io.CopyN(io.Discard, body, int64(s.readOf))
		s.kept = body
		return storage.PutResult{}, down()
	}
	if n, err := s.kept.Read(make([]byte, 1)); n != 0 || err == nil {
		return storage.PutResult{}, errors.New("the body of an attempt could be read after it returned")
	}
	return s.Store.Put(ctx, key, body, opts)
}

func TestUnconditionalWritesOfUnknownOutcome(t *testing.T) {
	m := memory(t)
	s, _ := faulty(m, event.OpPut, fault{err: lost(), after: true})
	retry := Retry(RetryOptions{BaseDelay: 1})
	res, err := retry(s).Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	if err != nil || res.Created != storage.Unknown {
		t.Errorf("put: created %v, %v; want unknown", res.Created, err)
	}
	if o, err := m.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || len(o.Metadata) != 0 {
		t.Errorf("an unconditional put carries metadata %v (%v)", o.Metadata, err)
	}
	s, _ = faulty(m, event.OpDelete, fault{err: lost(), after: true})
	d, err := retry(s).Delete(t.Context(), "k", storage.DeleteOptions{})
	if err != nil || d.Existed != storage.Unknown {
		t.Errorf("delete: existed %v, %v; want unknown", d.Existed, err)
	}
}

func TestConditionalPutOfUnknownOutcome(t *testing.T) {
	cases := []struct {
		name     string
		existing bool
		cond     func(etag string) storage.Condition
		faults   []fault
		// meddle runs after the first attempt.
		meddle  func(t *testing.T, m storage.Store)
		code    storage.Code // 0 = CodeInternal stands for success here
		value   string
		created storage.Tristate
		puts    int
	}{
		{"it happened", false, absent, []fault{{lost(), true}}, nil, 0, "mine", storage.Yes, 1},
		{"it happened over an old object", true, storage.IfETag, []fault{{lost(), true}}, nil, 0, "mine", storage.No, 1},
		{"it happened and its condition still holds", true, exists, []fault{{lost(), true}}, nil, 0, "mine", storage.No, 1},
		{"it did not happen", false, absent, []fault{{lost(), false}}, nil, 0, "mine", storage.Yes, 2},
		{"it did not happen over an old object", true, storage.IfETag, []fault{{lost(), false}}, nil, 0, "mine", storage.No, 2},
		{"it happened at the second attempt", true, storage.IfETag, []fault{{lost(), false}, {lost(), true}}, nil, 0, "mine", storage.No, 2},
		{"it happened at the last attempt", true, storage.IfETag, []fault{{lost(), false}, {lost(), false}, {lost(), true}}, nil, 0, "mine", storage.No, 3},
		{"it never happened", true, storage.IfETag, []fault{{lost(), false}, {lost(), false}, {lost(), false}}, nil, storage.CodeUnavailable, "old", 0, 3},
		{
			"another wrote", true, storage.IfETag,
			[]fault{{lost(), false}},
			func(t *testing.T, m storage.Store) { put(t, m, "k", "other") },
			storage.CodeFailedPrecondition, "other", 0, 1,
		},
		{
			"another wrote over it", true, storage.IfETag,
			[]fault{{lost(), true}},
			func(t *testing.T, m storage.Store) { put(t, m, "k", "other") },
			storage.CodeFailedPrecondition, "other", 0, 1,
		},
		{"it happened and then cannot be looked up", true, storage.IfETag, []fault{{lost(), true}}, nil, storage.CodeUnavailable, "mine", 0, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			etag := ""
			if c.existing {
				etag = put(t, m, "k", "old").ETag
			}
			s, count := faulty(m, event.OpPut, c.faults...)
			if c.meddle != nil {
				s = interceptor{around: func(_ context.Context, call *call, next func() error) error {
					err := next()
					if call.op == event.OpPut && *count == 1 {
						c.meddle(t, m)
					}
					return err
				}}.layer()(s)
			}
			if strings.Contains(c.name, "cannot be looked up") {
				s = interceptor{around: func(_ context.Context, call *call, next func() error) error {
					if call.op == event.OpStat {
						return storage.ErrPermissionDenied
					}
					return next()
				}}.layer()(s)
			}
			res, err := Retry(RetryOptions{BaseDelay: 1, MaxAttempts: 3})(s).Put(t.Context(), "k", strings.NewReader("mine"),
				storage.PutOptions{If: c.cond(etag), Metadata: map[string]string{"a": "b"}})
			if got := get(t, m, "k"); got != c.value {
				t.Errorf("the object is %q, want %q", got, c.value)
			}
			if *count != c.puts {
				t.Errorf("%d puts, want %d", *count, c.puts)
			}
			if c.code != 0 {
				if e := wantCode(t, err, c.code); !e.OutcomeUnknown {
					t.Errorf("the error does not say that the outcome is unknown: %v", err)
				}
				return
			}
			now, statErr := m.Stat(t.Context(), "k", storage.StatOptions{})
			if err != nil || statErr != nil || res.Object.ETag != now.ETag || res.Created != c.created {
				t.Errorf("result %+v, %v; want etag %q, created %v", res, err, now.ETag, c.created)
			}
			if now.Metadata["a"] != "b" || len(now.Metadata[WriteIDMetadata]) != 32 {
				t.Errorf("metadata %v", now.Metadata)
			}
		})
	}
}

func absent(string) storage.Condition { return storage.IfAbsent() }

func exists(string) storage.Condition { return storage.IfExists() }

func TestConditionalDeleteOfUnknownOutcome(t *testing.T) {
	cases := []struct {
		name    string
		faults  []fault
		deletes int
		unknown bool
	}{
		{"it did not happen", []fault{{lost(), false}}, 2, false},
		{"it happened", []fault{{lost(), true}}, 1, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			etag := put(t, m, "k", "v").ETag
			s, count := faulty(m, event.OpDelete, c.faults...)
			_, err := Retry(RetryOptions{BaseDelay: 1})(s).Delete(t.Context(), "k", storage.DeleteOptions{If: storage.IfETag(etag)})
			if *count != c.deletes {
				t.Errorf("%d deletes, want %d", *count, c.deletes)
			}
			if c.unknown {
				if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown {
					t.Errorf("the outcome is not unknown: %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBrokenReaderIsResumed(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789"), 1000)
	cases := []struct {
		name   string
		err    error
		breaks int
		meddle bool
		damage bool
		code   storage.Code // 0: success
	}{
		{"once", down(), 1, false, false, 0},
		{"often", down(), 3, false, false, 0},
		{"too often", down(), MaxResumptions + 1, false, false, storage.CodeUnavailable},
		{"for good", storage.ErrPermissionDenied, 1, false, false, storage.CodePermissionDenied},
		{"and the object changed", down(), 1, true, false, storage.CodeUnavailable},
		{"and the rest is damaged", down(), 1, false, true, storage.CodeDataLoss},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := memory(t)
			put(t, m, "k", string(value))
			s := &breaking{Store: m, err: c.err, left: c.breaks, damage: c.damage}
			r, err := Retry(RetryOptions{BaseDelay: 1})(s).Get(t.Context(), "k", storage.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if c.meddle {
				put(t, m, "k", "other")
			}
			got, err := r.Bytes()
			if c.code != 0 {
				wantCode(t, err, c.code)
			} else if err != nil || !bytes.Equal(got, value) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			if s.open != 0 {
				t.Errorf("%d sources were not closed", s.open)
			}
		})
	}
}

// breaking gives Readers that break off after some bytes.
type breaking struct {
	storage.Store
	err    error
	left   int
	damage bool
	open   int
}

func (s *breaking) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	r, err := s.Store.Get(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	s.open++
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return &breakingSource{ReadCloser: source, store: s} })
	return r, nil
}

type breakingSource struct {
	io.ReadCloser
	store *breaking
	read  int
}

func (s *breakingSource) Read(p []byte) (int, error) {
	if s.store.left > 0 && s.read >= 7 {
		s.store.left--
		return 0, s.store.err
	}
	if s.store.left > 0 {
		p = p[:min(len(p), 7)]
	}
	n, err := s.ReadCloser.Read(p)
	s.read += n
	if s.store.damage && s.store.left == 0 && n > 0 {
		p[0] ^= 1
	}
	return n, err
}

func (s *breakingSource) Close() error {
	s.store.open--
	return s.ReadCloser.Close()
}
