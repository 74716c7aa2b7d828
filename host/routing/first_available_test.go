package routing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func pair(t testing.TB, l event.Listener) (policy storage.Store, first, second *switched) {
	t.Helper()
	first, second = newSwitched(t), newSwitched(t)
	p, err := FirstAvailable{Order: []string{"backend.first", "backend.second"}}.Build("safe", Env{Listener: l},
		Children(first.child("backend.first"), second.child("backend.second")))
	if err != nil {
		t.Fatal(err)
	}
	return p, first, second
}

func TestFirstAvailableConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend {
			p, _, _ := pair(t, event.Listener{})
			return p
		},
		Options: storagetest.Options{Alone: true, KeepOpen: true},
	})
}

func TestReadsFailOver(t *testing.T) {
	cases := []struct {
		code storage.Code
		over bool
	}{
		{storage.CodeUnavailable, true},
		{storage.CodeThrottled, true},
		{storage.CodeDeadlineExceeded, true},
		{storage.CodeInternal, true},
		{storage.CodeDataLoss, true},
		{storage.CodeNotFound, false},
		{storage.CodeFailedPrecondition, false},
		{storage.CodeOutOfRange, false},
		{storage.CodeInvalidArgument, false},
		{storage.CodeUnimplemented, false},
		{storage.CodeUnauthenticated, false},
		{storage.CodePermissionDenied, false},
		{storage.CodeCanceled, false},
	}
	for _, c := range cases {
		t.Run(c.code.String(), func(t *testing.T) {
			var told []event.FailoverInfo
			p, first, second := pair(t, event.Listener{Failover: func(i event.FailoverInfo) { told = append(told, i) }})
			put(t, second.Store, "k", "second")
			first.fail(c.code)
			got, err := read(t, p, "k", storage.GetOptions{})
			_, statErr := p.Stat(t.Context(), "k", storage.StatOptions{})
			results, batchErr := p.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}}, storage.BatchOptions{})
			if !c.over {
				wantCode(t, err, c.code)
				wantCode(t, statErr, c.code)
				wantCode(t, batchErr, c.code)
				if n := second.calls.Load(); n != 0 {
					t.Errorf("the second was asked %d times", n)
				}
				return
			}
			if err := errors.Join(err, statErr, batchErr); err != nil || got != "second" || string(results[0].Value) != "second" {
				t.Errorf("read %q, %v", got, err)
			}
			if len(told) != 3 || told[0].From != "backend.first" || told[0].To != "backend.second" || told[0].Policy != "safe" ||
				told[0].Op != event.OpGet || storage.CodeOf(told[0].Err) != c.code {
				t.Errorf("told of %+v", told)
			}
		})
	}
}

func TestCallersEndIsNoFailover(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	first.fail(storage.CodeDeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Stat(ctx, "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeDeadlineExceeded)
	if second.calls.Load() != 0 {
		t.Error("the second was asked for a caller that is gone")
	}
}

func TestFirstThatWorksAnswers(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	put(t, p, "k", "first")
	put(t, second.Store, "k", "second")
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "first" {
		t.Errorf("read %q, %v", got, err)
	}
	_, err := p.Stat(t.Context(), "missing", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)
	if second.calls.Load() != 0 {
		t.Error("the second was asked though the first answers")
	}
	_ = first
}

func TestNotFoundBehindADownPrimaryIsNotKnown(t *testing.T) {
	p, first, _ := pair(t, event.Listener{})
	down := storage.Errorf(storage.CodeUnavailable, "gone")
	down.RetryAfter = 7 * time.Second
	first.err.Store(down)
	_, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	e := wantCode(t, err, storage.CodeUnavailable)
	if e.RetryAfter != 7*time.Second || !strings.Contains(err.Error(), "gone") || !strings.Contains(err.Error(), "backend.second does not have it") {
		t.Errorf("the error does not explain itself: %v (retry after %v)", err, e.RetryAfter)
	}
	results, err := p.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchStat, Key: "k"}}, storage.BatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, results[0].Err, storage.CodeUnavailable)
}

func TestWritesStick(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	first.fail(storage.CodeUnavailable)
	_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	_, err = p.Delete(t.Context(), "k", storage.DeleteOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	_, err = p.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchDelete, Key: "k"}}, storage.BatchOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if n := second.calls.Load(); n != 0 {
		t.Errorf("%d writes reached the second", n)
	}
}

func TestMoreThanTheDefaultIsThePrimarysToAnswer(t *testing.T) {
	for _, level := range []storage.Consistency{storage.ConsistencyStrong, storage.ConsistencyCausal, storage.ConsistencyReadYourWrites} {
		t.Run(level.String(), func(t *testing.T) {
			p, first, second := pair(t, event.Listener{})
			put(t, second.Store, "k", "second")
			first.fail(storage.CodeUnavailable)
			_, err := read(t, p, "k", storage.GetOptions{Consistency: level})
			wantCode(t, err, storage.CodeUnavailable)
			_, err = p.List(t.Context(), storage.ListOptions{Consistency: level, AllowPartial: true})
			wantCode(t, err, storage.CodeUnavailable)
			if second.calls.Load() != 0 {
				t.Error("the second was asked")
			}
		})
	}
}

func TestACallerReadsItsOwnWrites(t *testing.T) {
	cases := []struct {
		name  string
		write func(t *testing.T, p storage.Store)
		other string // what the second has
		level storage.Consistency
		want  string // "" = Unavailable
	}{
		{"an older value is not shown", func(t *testing.T, p storage.Store) { put(t, p, "k", "new") }, "old", 0, ""},
		{"but by who accepts any", func(t *testing.T, p storage.Store) { put(t, p, "k", "new") }, "old", storage.ConsistencyEventual, "old"},
		{"the same value is", func(t *testing.T, p storage.Store) { put(t, p, "k", "new") }, "new", 0, "new"},
		{"a deleted key does not come back", func(t *testing.T, p storage.Store) {
			put(t, p, "k", "new")
			if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "new", 0, ""},
		{"a batch counts", func(t *testing.T, p storage.Store) {
			if _, err := p.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("new")}}, storage.BatchOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "old", 0, ""},
		{"a copy counts", func(t *testing.T, p storage.Store) {
			put(t, p, "src", "new")
			if _, err := p.Copy(t.Context(), "src", "k", storage.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "old", 0, ""},
		{"a key that was not written is shown", func(*testing.T, storage.Store) {}, "old", 0, "old"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, first, second := pair(t, event.Listener{})
			put(t, second.Store, "k", c.other)
			c.write(t, p)
			first.fail(storage.CodeUnavailable)
			got, err := read(t, p, "k", storage.GetOptions{Consistency: c.level})
			if c.want == "" {
				wantCode(t, err, storage.CodeUnavailable)
				results, err := p.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}}, storage.BatchOptions{Consistency: c.level})
				if err == nil {
					err = results[0].Err
				}
				wantCode(t, err, storage.CodeUnavailable)
			} else if err != nil || got != c.want {
				t.Errorf("read %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestRememberedWritesAreBounded(t *testing.T) {
	w := newWrites()
	w.recent.limit = 3
	for i := range 5 {
		w.put(storage.Object{Key: fmt.Sprint(i), Size: 1})
		w.put(storage.Object{Key: fmt.Sprint(i), Size: 2})
	}
	if len(w.recent.last) != 3 || len(w.recent.keys) != 3 {
		t.Errorf("%d keys are remembered, want 3", len(w.recent.last))
	}
	for i, allowed := range []bool{true, true, false, false, false} {
		if got := w.allow(storage.Object{Key: fmt.Sprint(i), Size: 1}); got != allowed {
			t.Errorf("the old value of key %d is allowed: %v", i, got)
		}
	}
}

func TestEtagsNameTheirChild(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	put(t, second.Store, "k", "second")
	put(t, first.Store, "k", "first") // both children count their etags alike
	mine, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first.fail(storage.CodeUnavailable)
	theirs, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if mine.ETag == theirs.ETag {
		t.Fatalf("objects of two children have the etag %q", mine.ETag)
	}
	for _, etag := range []string{mine.ETag, theirs.ETag} {
		if err := storage.ValidateETag(etag); err != nil {
			t.Error(err)
		}
	}
	// A read pinned to the primary's version says that the primary is down.
	_, err = read(t, p, "k", storage.GetOptions{IfMatch: mine.ETag})
	wantCode(t, err, storage.CodeUnavailable)
	if got, err := read(t, p, "k", storage.GetOptions{IfMatch: theirs.ETag}); err != nil || got != "second" {
		t.Errorf("pinned to the second's version: %q, %v", got, err)
	}

	first.err.Store(nil)
	ctx := t.Context()
	conflicts := map[string]func() error{
		"get":  func() error { _, err := read(t, p, "k", storage.GetOptions{IfMatch: theirs.ETag}); return err },
		"stat": func() error { _, err := p.Stat(ctx, "k", storage.StatOptions{IfMatch: theirs.ETag}); return err },
		"put": func() error {
			_, err := p.Put(ctx, "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(theirs.ETag)})
			return err
		},
		"delete": func() error {
			_, err := p.Delete(ctx, "k", storage.DeleteOptions{If: storage.IfETag(theirs.ETag)})
			return err
		},
		"batch": func() error {
			results, err := p.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Put: storage.PutOptions{If: storage.IfETag(theirs.ETag)}}}, storage.BatchOptions{})
			if err != nil {
				return err
			}
			return results[0].Err
		},
		"a bare etag of the child": func() error {
			bare, err := first.Store.Stat(ctx, "k", storage.StatOptions{})
			if err != nil {
				return err
			}
			_, err = p.Put(ctx, "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(bare.ETag)})
			return err
		},
	}
	for name, run := range conflicts {
		t.Run(name, func(t *testing.T) {
			if e := wantCode(t, run(), storage.CodeFailedPrecondition); e.Current != mine.ETag {
				t.Errorf("the current etag is %q, want %q", e.Current, mine.ETag)
			}
		})
	}
	_, err = p.Commit(ctx, storage.Transaction{Checks: []storage.Check{{Key: "k", ETag: theirs.ETag}}})
	wantCode(t, err, storage.CodeAborted)
	if _, err := p.Commit(ctx, storage.Transaction{Checks: []storage.Check{{Key: "k", ETag: mine.ETag}}}); err != nil {
		t.Errorf("a transaction on the primary's version: %v", err)
	}
	if _, err := p.Put(ctx, "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(mine.ETag)}); err != nil {
		t.Errorf("a condition on the primary's version: %v", err)
	}
}

// Two doors to the same data give the same etags. Which object they mean is
// not known to be the same, so one is no condition at the other.
func TestEqualEtagsOfTwoChildrenAreTwo(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	second.Store = first.Store
	put(t, p, "k", "v")
	first.fail(storage.CodeUnavailable)
	theirs, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first.err.Store(nil)
	_, err = p.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(theirs.ETag)})
	wantCode(t, err, storage.CodeFailedPrecondition)
}

// longEtags gives etags of the greatest length.
type longEtags struct{ storage.Store }

func lengthen(etag string) string { return etag + strings.Repeat("x", storage.MaxETagBytes-len(etag)) }

func (s longEtags) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	o, err := s.Store.Stat(ctx, key, storage.StatOptions{})
	if err != nil {
		return o, err
	}
	o.ETag = lengthen(o.ETag)
	if opts.IfMatch != "" {
		return o, storage.IfETag(opts.IfMatch).Check(o.ETag)
	}
	return o, nil
}

func TestLongEtagsAreHashed(t *testing.T) {
	m := memory(t)
	p, err := FirstAvailable{Order: []string{"a"}}.Build("p", Env{}, Children(Child{Name: "a", Store: longEtags{m}}))
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, "k", "v")
	o, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.ValidateETag(o.ETag); err != nil {
		t.Fatal(err)
	}
	if again, err := p.Stat(t.Context(), "k", storage.StatOptions{IfMatch: o.ETag}); err != nil || again.ETag != o.ETag {
		t.Errorf("pinned to the hashed etag: %q, %v", again.ETag, err)
	}
	put(t, m, "k", "v2")
	_, err = p.Stat(t.Context(), "k", storage.StatOptions{IfMatch: o.ETag})
	wantCode(t, err, storage.CodeFailedPrecondition)
}

func TestListNeedsThePrimary(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	for i := range 5 {
		put(t, p, fmt.Sprint("k", i), "v")
		put(t, second.Store, fmt.Sprint("s", i), "v")
	}
	begun, err := p.List(t.Context(), storage.ListOptions{Limit: 2})
	if err != nil || begun.NextToken == "" || begun.Partial {
		t.Fatalf("first page: %+v, %v", begun, err)
	}
	o, err := p.Stat(t.Context(), begun.Objects[0].Key, storage.StatOptions{})
	if err != nil || o.ETag != begun.Objects[0].ETag {
		t.Errorf("the listing says etag %q, stat %q (%v)", begun.Objects[0].ETag, o.ETag, err)
	}
	first.fail(storage.CodeUnavailable)
	_, err = p.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	_, err = p.List(t.Context(), storage.ListOptions{Token: begun.NextToken, AllowPartial: true})
	wantCode(t, err, storage.CodeUnavailable) // it began at the primary

	page, err := p.List(t.Context(), storage.ListOptions{Limit: 3, AllowPartial: true})
	if err != nil || !page.Partial || !slices.Equal(page.FailedBackends, []string{"backend.first"}) || len(page.Objects) != 3 || page.Objects[0].Key != "s0" {
		t.Fatalf("partial page: %+v, %v", page, err)
	}
	first.err.Store(nil) // the listing stays where it began
	page, err = p.List(t.Context(), storage.ListOptions{Limit: 3, AllowPartial: true, Token: page.NextToken})
	if err != nil || len(page.Objects) != 2 || page.Objects[0].Key != "s3" || !page.Partial {
		t.Errorf("second partial page: %+v, %v", page, err)
	}
	_, err = p.List(t.Context(), storage.ListOptions{Token: "nonsense"})
	wantCode(t, err, storage.CodeInvalidArgument)
}

func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, first, second := pair(t, event.Listener{})
		put(t, first.Store, "k", "first")
		put(t, second.Store, "k", "second")
		asked := func() string {
			t.Helper()
			got, err := read(t, p, "k", storage.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first.state(event.BreakerOpen)
		if got := asked(); got != "second" || first.calls.Load() != 0 {
			t.Errorf("with an open breaker: %q after %d calls to the first", got, first.calls.Load())
		}
		first.state(event.BreakerHalfOpen)
		time.Sleep(DefaultHoldDown / 2)
		if got := asked(); got != "second" || first.calls.Load() != 0 {
			t.Errorf("in the hold-down: %q after %d calls to the first", got, first.calls.Load())
		}

		// After it one request at a time tries the first.
		time.Sleep(DefaultHoldDown)
		first.fail(storage.CodeUnavailable)
		if got := asked(); got != "second" || first.calls.Load() != 1 {
			t.Errorf("a canary that fails: %q after %d calls to the first", got, first.calls.Load())
		}
		if got := asked(); got != "second" || first.calls.Load() != 1 {
			t.Errorf("after it failed: %q after %d calls to the first", got, first.calls.Load())
		}
		time.Sleep(2 * DefaultHoldDown)
		first.err.Store(nil)
		release := make(chan struct{})
		first.block = func() { <-release }
		canary := make(chan string)
		go func() { canary <- asked() }()
		synctest.Wait()
		if got := asked(); got != "second" || first.calls.Load() != 2 {
			t.Errorf("beside the canary: %q after %d calls to the first", got, first.calls.Load())
		}
		close(release)
		if got := <-canary; got != "first" {
			t.Errorf("the canary read %q", got)
		}
		first.state(event.BreakerClosed)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := asked(); got != "first" {
					t.Errorf("after the recovery: %q", got)
				}
			})
		}
		wg.Wait()
		for _, s := range []*switched{first, second} {
			if err := s.Store.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// While the primary is held down it may still have the only copy of a key.
func TestThePassedOverIsAskedLast(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	put(t, first.Store, "k", "first")
	first.state(event.BreakerHalfOpen)
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "first" {
		t.Errorf("read %q, %v", got, err)
	}
	if second.calls.Load() != 1 {
		t.Errorf("the second was asked %d times", second.calls.Load())
	}
	first.state(event.BreakerOpen)
	first.calls.Store(0)
	_, err := p.Stat(t.Context(), "other", storage.StatOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if first.calls.Load() != 0 {
		t.Error("a backend whose breaker is open was asked")
	}
}

func TestHealthIsThatOfAnyChild(t *testing.T) {
	p, first, second := pair(t, event.Listener{})
	first.fail(storage.CodeUnavailable)
	if err := p.CheckHealth(t.Context()); err != nil {
		t.Errorf("with one child well: %v", err)
	}
	second.fail(storage.CodeUnavailable)
	wantCode(t, p.CheckHealth(t.Context()), storage.CodeUnavailable)
}

func TestWatchFollowsThePrimary(t *testing.T) {
	p, _, second := pair(t, event.Listener{})
	w, err := p.Watch(t.Context(), storage.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	put(t, second.Store, "k", "second")
	o := put(t, p, "k", "first")
	ev, err := w.Next(t.Context())
	if err != nil || ev.ETag != o.ETag {
		t.Errorf("event %+v, %v; want etag %q", ev, err, o.ETag)
	}
}
