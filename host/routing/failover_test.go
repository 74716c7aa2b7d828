package routing

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestWritesThatFailOverConform(t *testing.T) {
	primaries := map[string]func(t testing.TB) storage.Store{
		"the primary works": memory,
		"the primary refuses every other write": func(t testing.TB) storage.Store {
			return &restless{Store: memory(t), refused: map[string]bool{}}
		},
	}
	for name, primary := range primaries {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend {
					p := build(t, FirstAvailable{Order: names[:2], Writes: WritesFailover}, testEnv(t),
						Child{Name: names[0], Store: primary(t)}, Child{Name: names[1], Store: memory(t)})
					return layer.Reserved()(p)
				},
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}

func TestTheNextChildTakesWrites(t *testing.T) {
	for _, code := range []storage.Code{storage.CodeUnavailable, storage.CodeDeadlineExceeded, storage.CodeThrottled, storage.CodeInternal, storage.CodeDataLoss} {
		t.Run(code.String(), func(t *testing.T) {
			l := newLadder(t)
			l.put("k", "old")
			l.put("gone", "old")
			l.all[0].fail(code)
			l.down(1)
			l.put("k", "new")
			l.delete("gone")
			l.reads("k", "new")
			l.reads("gone", "")
			l.owed(2, 2, 0)
			l.holds(0, "k", "old")
			l.holds(2, "k", "new")
			if n := l.happened(event.Hinted); n != 4 {
				t.Errorf("told of %d hints, want 4", n)
			}
			want := event.FailoverInfo{Policy: "p", Op: event.OpPut, From: names[0], To: names[1]}
			if got := l.over[0]; storage.CodeOf(got.Err) != code || got.Policy != want.Policy || got.Op != want.Op || got.From != want.From || got.To != want.To {
				t.Errorf("told of %+v", got)
			}

			l.up(0)
			l.up(1)
			l.replayed()
			for i := range 2 {
				l.holds(i, "k", "new")
				l.holds(i, "gone", "")
			}
			if n := l.happened(event.Replayed); n != 4 {
				t.Errorf("told of %d replays, want 4", n)
			}
			l.reads("k", "new")
			l.reads("gone", "")
		})
	}
}

func TestAnswersDoNotFailOver(t *testing.T) {
	for _, code := range []storage.Code{storage.CodeTooLarge, storage.CodeQuotaExceeded, storage.CodePermissionDenied, storage.CodeUnimplemented} {
		t.Run(code.String(), func(t *testing.T) {
			l := newLadder(t)
			l.all[0].fail(code)
			_, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			wantCode(t, err, code)
			l.owed(0, 0, 0)
			l.holds(1, "k", "")
		})
	}
}

func TestAnOpenBreakerMakesWritesFailOver(t *testing.T) {
	l := newLadder(t)
	l.all[0].state(event.BreakerOpen)
	l.put("k", "v")
	if n := l.all[0].calls.Load(); n != 0 {
		t.Errorf("the primary was asked %d times", n)
	}
	l.holds(1, "k", "v")
}

func TestWritesFailWhenNobodyTakesThem(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	for i := range names {
		l.down(i)
	}
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); e.OutcomeUnknown {
		t.Errorf("a write that nobody got may have happened: %v", err)
	}
	lost := storage.Errorf(storage.CodeUnavailable, "the answer was lost")
	lost.OutcomeUnknown = true
	l.all[1].err.Store(lost)
	_, err = l.store.Delete(t.Context(), "k", storage.DeleteOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown {
		t.Errorf("a write that one may have got did not happen: %v", err)
	}
	l.owed(0, 0, 0)
}

func TestAReadNeverGivesWhatThePrimaryMissed(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.put("gone", "old")
	l.down(0)
	l.put("k", "new")
	l.delete("gone")
	l.all[0].failWrites(storage.CodeUnavailable) // it is back, but cannot be given anything
	l.up(0)
	l.reads("k", "new")
	l.reads("gone", "")
	l.down(1)
	if err := l.unreadable("k", storage.CodeUnavailable); !strings.Contains(err.Error(), "backend.a has only an older version; the newest is at backend.b") {
		t.Errorf("the error does not explain itself: %v", err)
	}
	l.reads("gone", "") // that is known without asking
	if got, err := read(t, l.store, "k", storage.GetOptions{Consistency: storage.ConsistencyEventual}); err != nil || got != "old" {
		t.Errorf("who accepts any answer reads %q, %v", got, err)
	}
	l.put("other", "v") // at the third
	l.reads("other", "v")
}

// What the second child has of its own may stand in for the primary, but not for a
// write that passed the second over.
func TestAChildThatMissedAWriteDoesNotAnswer(t *testing.T) {
	l := newLadder(t)
	put(t, l.all[1].Store, "k", "theirs")
	l.down(0)
	l.down(1)
	l.put("k", "new")
	l.all[1].failWrites(storage.CodeUnavailable)
	l.up(0)
	l.up(1)
	l.replayed(0)
	l.owed(0, 1, 0)
	l.down(0)
	if got, err := read(t, l.store, "k", storage.GetOptions{}); err != nil || got != "new" {
		t.Errorf("read %q, %v", got, err)
	}
	l.kill(FirstAvailable{Writes: WritesFailover})
	_, err := read(t, l.store, "k", storage.GetOptions{})
	wantCode(t, err, storage.CodeUnavailable)
}

// Once the primary has a key, what another child kept of it may be old, and after
// a restart nobody remembers.
func TestAStandInDoesNotAnswerForEver(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	l.put("k", "old")
	l.up(0)
	l.replayed()
	l.down(0)
	if got, err := read(t, l.store, "k", storage.GetOptions{}); err != nil || got != "old" {
		t.Errorf("what is remembered as the last write reads %q, %v", got, err)
	}
	l.up(0)
	l.put("k", "new")
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.down(0)
	l.unreadable("k", storage.CodeUnavailable)
	l.holds(1, "k", "old")
}

func TestDebtsSurviveTheHost(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.put("gone", "old")
	l.down(0)
	l.put("k", "new")
	l.delete("gone")
	l.all[0].failWrites(storage.CodeUnavailable)
	l.up(0)
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.owed(2, 0, 0)
	l.reads("k", "new")
	l.reads("gone", "")
	l.all[0].writeErr.Store(nil)
	l.replayed()
	l.holds(0, "k", "new")
	l.holds(0, "gone", "")
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.list(storage.ListOptions{})
	l.owed(0, 0, 0)
	l.reads("k", "new")
}

// The order is: the child, the journal, the acknowledgement. A host that ends
// before the journal knows has not acknowledged the write.
func TestTheJournalNeverNamesAChildThatHasItNot(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	l.breakJournal()
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown || !strings.Contains(err.Error(), "backend.b has it, but the journal cannot remember") {
		t.Errorf("the error is %v (unknown %v)", err, e.OutcomeUnknown)
	}
	l.holds(1, "k", "new")
	l.up(0)
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.owed(0, 0, 0)
	l.reads("k", "old")
}

func TestADirectWriteSupersedesADebt(t *testing.T) {
	writes := map[string]struct {
		write func(l *ladder)
		want  string
	}{
		"put":    {func(l *ladder) { l.put("k", "direct") }, "direct"},
		"delete": {func(l *ladder) { l.delete("k") }, ""},
		"batch": {func(l *ladder) {
			if r, err := l.store.Batch(l.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("direct")}}, storage.BatchOptions{}); err != nil || r[0].Err != nil {
				l.Fatal(r, err)
			}
		}, "direct"},
		"copy": {func(l *ladder) {
			l.put("src", "direct")
			if _, err := l.store.Copy(l.Context(), "src", "k", storage.CopyOptions{}); err != nil {
				l.Fatal(err)
			}
		}, "direct"},
	}
	for name, c := range writes {
		t.Run(name, func(t *testing.T) {
			l := newLadder(t)
			entered, release := make(chan struct{}), make(chan struct{})
			l.put("blocker", "v")
			l.down(0)
			l.put("blocker", "held") // keeps the replay from reaching k
			l.put("k", "missed")
			l.all[0].holdPut("held", func() { close(entered) }, release)
			l.up(0)
			<-entered
			c.write(l)
			l.reads("k", c.want)
			l.kill(FirstAvailable{Writes: WritesFailover}, func() { close(release) }) // the debt must not come back
			l.reads("k", c.want)
			l.replayed()
			l.reads("k", c.want)
			l.holds(0, "k", c.want)
		})
	}
}

func TestADirectWriteThatFailsLeavesTheDebt(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	l.put("k", "missed")
	l.down(1)
	l.down(2)
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("direct"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	l.up(1)
	l.reads("k", "missed")
	l.owed(1, 0, 0)
}

func TestConditionalWritesNeverFailOver(t *testing.T) {
	l := newLadder(t)
	o := l.put("k", "old")
	l.down(0)
	conditional := map[string]func() error{
		"put absent": func() error {
			_, err := l.store.Put(t.Context(), "new", strings.NewReader("v"), storage.PutOptions{If: storage.IfAbsent()})
			return err
		},
		"put etag": func() error {
			_, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{If: storage.IfETag(o.ETag)})
			return err
		},
		"delete": func() error {
			_, err := l.store.Delete(t.Context(), "k", storage.DeleteOptions{If: storage.IfExists()})
			return err
		},
		"copy": func() error {
			_, err := l.store.Copy(t.Context(), "k", "new", storage.CopyOptions{If: storage.IfAbsent()})
			return err
		},
		"atomic batch": func() error {
			_, err := l.store.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "new"}}, storage.BatchOptions{Atomic: true})
			return err
		},
		"transaction": func() error {
			_, err := l.store.Commit(t.Context(), storage.Transaction{Ops: []storage.BatchOp{{Kind: storage.BatchPut, Key: "new"}}})
			return err
		},
		"in a batch": func() error {
			r, err := l.store.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "new", Put: storage.PutOptions{If: storage.IfAbsent()}}}, storage.BatchOptions{})
			if err != nil {
				return err
			}
			return r[0].Err
		},
	}
	for name, run := range conditional {
		t.Run(name, func(t *testing.T) {
			err := run()
			if wantCode(t, err, storage.CodeUnavailable); name != "copy" && !strings.Contains(err.Error(), "never fail over") {
				t.Errorf("the error does not give the reason: %v", err)
			}
			l.holds(1, "new", "")
		})
	}
	l.put("k", "missed") // now the primary would decide by an older version
	if err := conditional["put etag"](); !strings.Contains(err.Error(), "missed a write to the key") {
		t.Errorf("the error does not give the reason: %v", err)
	}
}

func TestConditionalWritesAreDecidedByWhatWasMissed(t *testing.T) {
	l := newLadder(t)
	old := l.put("k", "old")
	l.down(0)
	missed := l.put("k", "missed")
	l.down(1)
	l.up(0)
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	wantCode(t, err, storage.CodeUnavailable) // who has the newest is away
	l.up(1)
	_, err = l.store.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != missed.ETag {
		t.Errorf("the current etag is %q, want %q", e.Current, missed.ETag)
	}
	l.holds(0, "k", "missed")
	l.owed(0, 0, 0)
	if _, err = l.store.Put(t.Context(), "k", strings.NewReader("mine"), storage.PutOptions{If: storage.IfETag(missed.ETag)}); err != nil {
		t.Errorf("on the condition of the version that another child took: %v", err)
	}
	l.reads("k", "mine")
}

func TestAReplayedObjectIsTheSame(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	res, err := l.store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{
		ContentType: "text/x", Metadata: map[string]string{"a": "b"}, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.up(0)
	l.replayed()
	l.holds(0, "k", "v")
	l.down(1)
	p := layer.Reserved()(l.store)
	o, err := p.Stat(t.Context(), "k", storage.StatOptions{IfMatch: res.Object.ETag})
	if err != nil {
		t.Fatal(err)
	}
	if o.ETag != res.Object.ETag || !o.ModTime.Equal(res.Object.ModTime) || o.ContentType != "text/x" || len(o.Metadata) != 1 || o.Metadata["a"] != "b" {
		t.Errorf("it was %+v, and is %+v", res.Object, o)
	}
	if late := o.ExpiresAt.Sub(res.Object.ExpiresAt); late.Abs() > time.Minute {
		t.Errorf("it expires %v later", late)
	}
	next := l.put("k", "v2")
	copied, err := l.store.Copy(t.Context(), "k", "k2", storage.CopyOptions{})
	if err != nil || next.ETag == o.ETag || copied.Object.ETag == next.ETag {
		t.Errorf("etags %q, then %q, and %q of the copy (%v)", o.ETag, next.ETag, copied.Object.ETag, err)
	}
}

// A copy of a replayed object within the primary would have the etag of another
// version.
func TestACopyOfAReplayedObjectIsAVersionOfItsOwn(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	src := l.put("src", "v")
	l.up(0)
	l.replayed()
	l.put("dst", "x")
	first, err := l.store.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.put("dst", "x")
	second, err := l.store.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if etags := []string{src.ETag, first.Object.ETag, second.Object.ETag}; len(slices.Compact(slices.Sorted(slices.Values(etags)))) != 3 {
		t.Errorf("two versions share an etag: %q", etags)
	}
}

func TestWhatExpiredAtItsHolderIsGone(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	if _, err := l.store.Put(t.Context(), "k", strings.NewReader("brief"), storage.PutOptions{TTL: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := l.all[1].Store.Stat(t.Context(), "k", storage.StatOptions{}); err != nil {
			break
		}
	}
	l.reads("k", "")
	l.up(0)
	l.replayed()
	l.holds(0, "k", "")
	l.reads("k", "")
}

func TestWhatItsHolderLostIsNotCalledDeleted(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	l.put("k", "new")
	l.put("other", "v")
	if _, err := l.all[1].Store.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.unreadable("k", storage.CodeDataLoss); !strings.Contains(err.Error(), "backend.b took the last write") {
		t.Errorf("the error does not explain itself: %v", err)
	}
	l.up(0)
	_, err := l.store.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	l.holds(0, "other", "v") // it does not keep others back
	l.holds(0, "k", "old")
	l.put("k", "newer")
	l.reads("k", "newer")
	l.replayed()
}

// A delete that was under way at the child that has the newest version may have
// happened there.
func TestADeleteThatWasNotRecordedIsNoLoss(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	l.put("k", "new")
	lost := storage.Errorf(storage.CodeUnavailable, "the answer was lost")
	lost.OutcomeUnknown = true
	l.all[1].writeErr.Store(lost)
	l.down(2)
	_, err := l.store.Delete(t.Context(), "k", storage.DeleteOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown {
		t.Errorf("got %v", err)
	}
	l.reads("k", "new")
	if _, err := l.all[1].Store.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.reads("k", "")
}

func TestListingsHaveWhatThePrimaryMissed(t *testing.T) {
	l := newLadder(t)
	for i := range 4 {
		l.put(fmt.Sprint("k", i), "old")
	}
	l.down(0)
	l.put("k1", "new")
	l.put("k9", "new")
	l.delete("k2")
	_, err := l.store.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)

	l.all[0].failWrites(storage.CodeUnavailable)
	l.up(0)
	_, err = l.store.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	keys, page := l.list(storage.ListOptions{AllowPartial: true})
	if !slices.Equal(keys, []string{"k0", "k3"}) || !page.Partial || !slices.Equal(page.FailedBackends, names[:1]) {
		t.Errorf("a partial listing has %q: %+v", keys, page)
	}

	l.all[0].writeErr.Store(nil)
	keys, page = l.list(storage.ListOptions{})
	if !slices.Equal(keys, []string{"k0", "k1", "k3", "k9"}) || page.Partial || page.Objects[1].Size != 3 {
		t.Errorf("the listing has %q: %+v", keys, page)
	}
}

func TestAnUnknownOutcomeAtThePrimaryIsSettled(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	lost := storage.Errorf(storage.CodeDeadlineExceeded, "no answer")
	lost.OutcomeUnknown = true
	l.all[0].writeErr.Store(lost)
	l.put("k", "v2")
	put(t, l.all[0].Store, "k", "v2") // it arrived after all
	l.reads("k", "v2")
	l.put("k", "v3")
	l.reads("k", "v3")
	l.all[0].writeErr.Store(nil)
	l.replayed()
	l.holds(0, "k", "v3")
}

func TestAFullJournalTakesNoMoreDebts(t *testing.T) {
	l := newLadder(t)
	l.close()
	l.openSmall()
	l.down(0)
	l.put("k", "v")
	l.put("l", "v")
	_, err := l.store.Put(t.Context(), "m", strings.NewReader("v"), storage.PutOptions{})
	if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), "the journal is full") {
		t.Errorf("the error does not give the reason: %v", err)
	}
	l.put("k", "v2") // owes no more than before
	l.owed(2, 0, 0)
	l.reads("k", "v2")
	l.reads("l", "v")
	l.up(0)
	l.replayed()
	l.put("m", "v")
	l.holds(0, "m", "v")
}

func TestWhatIsOwedOutlivesTheOption(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	l.put("k", "new")
	l.kill(FirstAvailable{Writes: WritesSticky})
	l.reads("k", "new")
	_, err := l.store.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	l.holds(1, "k", "new")
	l.up(0)
	l.replayed()
	l.holds(0, "k", "new")
}

func TestAHolderThatWasRemovedIsMissed(t *testing.T) {
	l := newLadder(t)
	l.put("k", "old")
	l.down(0)
	l.put("k", "new")
	l.up(0)
	l.down(1)
	l.kill(FirstAvailable{Order: []string{names[0], names[2]}, Writes: WritesFailover})
	if err := l.unreadable("k", storage.CodeUnavailable); !strings.Contains(err.Error(), "backend.b, which took writes in the place of others, is not in the policy's order any more") {
		t.Errorf("the error does not explain itself: %v", err)
	}
	l.up(1)
	l.kill(FirstAvailable{Writes: WritesFailover})
	l.replayed()
	l.reads("k", "new")
}

func TestLargeValuesAreSentAgain(t *testing.T) {
	l := newLadder(t)
	value := strings.Repeat("large ", SpoolMemory/4)
	l.all[0].failWrites(storage.CodeUnavailable)
	if _, err := l.store.Put(t.Context(), "k", io.MultiReader(strings.NewReader(value)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	l.reads("k", value)
	l.all[0].writeErr.Store(nil)
	l.replayed()
	l.holds(0, "k", value)
}

func TestAWriteWaitsForTheReplayOfItsKey(t *testing.T) {
	l := newLadder(t)
	l.down(0)
	l.put("k", "missed")
	entered, release := make(chan struct{}), make(chan struct{})
	l.all[0].holdPut("missed", func() { close(entered) }, release)
	l.up(0)
	<-entered
	written := make(chan struct{})
	go func() {
		defer close(written)
		put(t, l.store, "k", "direct")
	}()
	turns := l.env.Journal.Keeping("p").Turns()
	for turns.Interested("k") < 2 && !t.Failed() {
		select {
		case <-written:
			t.Error("the write did not wait")
		default:
			runtime.Gosched()
		}
	}
	close(release)
	<-written
	l.replayed()
	l.reads("k", "direct")
	l.holds(0, "k", "direct")
}
