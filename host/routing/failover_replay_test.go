package routing

import (
	"runtime"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

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
