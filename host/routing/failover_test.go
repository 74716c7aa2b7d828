package routing

import (
	"io"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestWritesThatFailOverConform(t *testing.T) {
	t.Parallel()
	primaries := map[string]func(t testing.TB) storage.Store{
		"the primary works": memory,
		"the primary refuses every other write": func(t testing.TB) storage.Store {
			return &restless{Store: memory(t), refused: map[string]bool{}}
		},
	}
	for name, primary := range primaries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			eventually(t, "4 replays were told of", func() bool { return l.happened(event.Replayed) == 4 })
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
