package routing

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// losing is a child whose puts have an outcome that nobody learns.
type losing struct {
	storage.Store
	stores bool // and yet they may be stored
}

func (l *losing) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if l.stores {
		if _, err := l.Store.Put(ctx, key, body, opts); err != nil {
			return storage.PutResult{}, err
		}
	}
	err := storage.Errorf(storage.CodeUnavailable, "the answer was lost")
	err.OutcomeUnknown = true
	return storage.PutResult{}, err
}

func TestAnOverwriteMovesTheObject(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	h.has("k", "1||")
	res, err := h.put("k", "2", "c", storage.Condition{})
	if err != nil || res.Created != storage.No {
		t.Fatal(res, err)
	}
	h.has("k", "||2")
	h.reads("k", "2")
	h.mustPut("k", "3", "c")
	h.has("k", "||3")
	if h.events(event.Moved) != 1 || h.owed() != 0 {
		t.Errorf("told of %d moves, %d debts", h.events(event.Moved), h.owed())
	}
	if d, err := h.store.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil || d.Existed != storage.Yes {
		t.Error(d, err)
	}
	h.has("k", "||")
	h.reads("k", "")
}

func TestAMoveNeedsTheJournal(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := build(t, oddAndEven(), Env{Journal: j}, newKids(t).children()...)
	put(t, p, "k", "even")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = p.Put(t.Context(), "k", strings.NewReader("is odd."), storage.PutOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); e.OutcomeUnknown || !strings.Contains(err.Error(), "journal") {
		t.Errorf("the error is %v (unknown %v)", err, e.OutcomeUnknown)
	}
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "even" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestACopyGoesWhereItBelongs(t *testing.T) {
	h := newPlacedHost(t, Custom{Place: `op == "copy" ? backend.b : backend.a`})
	src := h.mustPut("k", "1", "")
	if _, err := h.store.Copy(t.Context(), "k", "l", storage.CopyOptions{SourceIfMatch: src.ETag, If: storage.IfAbsent()}); err != nil {
		t.Fatal(err)
	}
	h.has("l", "|1|")
	if _, err := h.store.Copy(t.Context(), "k", "k", storage.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	h.has("k", "|1|")
}

func TestAValueOfUnknownSizeIsMeasured(t *testing.T) {
	h := newPlacedHost(t, Custom{Place: "size > 300000 ? backend.b : backend.a"})
	for _, size := range []int{0, 10, SpoolMemory + 1, 300_000, 300_001} {
		value := strings.Repeat("v", size)
		if _, err := h.store.Put(t.Context(), "k", io.MultiReader(strings.NewReader(value)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		want := 0
		if size > 300_000 {
			want = 1
		}
		if at := h.kids.holder(t, "k"); at != want {
			t.Errorf("a value of %d bytes is at %d", size, at)
		}
		if got, err := read(t, h.store, "k", storage.GetOptions{}); err != nil || got != value {
			t.Errorf("a value of %d bytes is read with %d, %v", size, len(got), err)
		}
	}
}

func TestAnObjectMovesAwayFromAChildThatIsDown(t *testing.T) {
	for _, remembered := range []bool{true, false} {
		h := newPlacedHost(t, byType())
		h.mustPut("k", "1", "a")
		if !remembered {
			h.restart()
		}
		h.kids[0].fail(storage.CodeUnavailable)
		h.mustPut("k", "2", "b")
		if got, err := read(t, h.store, "k", storage.GetOptions{}); err != nil || got != "2" {
			t.Errorf("read %q, %v", got, err)
		}
		_, err := h.store.Stat(t.Context(), "k", storage.StatOptions{Consistency: storage.ConsistencyStrong})
		if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), "backend.a") {
			t.Errorf("%v names nobody", err)
		}
		_, err = h.store.Delete(t.Context(), "k", storage.DeleteOptions{})
		wantCode(t, err, storage.CodeUnavailable) // or the old copy would be back
		h.restart()
		if got, err := read(t, h.store, "k", storage.GetOptions{}); err != nil || got != "2" {
			t.Errorf("after a restart: read %q, %v", got, err)
		}
		if h.events(event.Hinted) != 1 || h.owed() != 1 {
			t.Errorf("told of %d debts, there are %d", h.events(event.Hinted), h.owed())
		}
		if err := h.pay(); err == nil {
			t.Error("a child that is down has paid")
		}
		h.kids[0].err.Store(nil)
		h.has("k", "1|2|")
		h.reads("k", "2")
		if err := h.pay(); err != nil {
			t.Fatal(err)
		}
		h.has("k", "|2|")
		h.reads("k", "2")
		if h.owed() != 0 || h.events(event.Replayed) != 1 {
			t.Errorf("%d debts are left, %d were told to be paid", h.owed(), h.events(event.Replayed))
		}
	}
}

func TestAnOldCopyStaysDeadWhenTheNewOneIsGone(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	h.kids[0].fail(storage.CodeUnavailable)
	h.mustPut("k", "2", "b")
	h.kids[0].err.Store(nil)
	if _, err := inner(h.kids[1]).Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil { // as if it had expired
		t.Fatal(err)
	}
	h.reads("k", "")
	h.restart()
	h.reads("k", "")
	_, err := h.put("k", "3", "a", storage.IfExists())
	wantCode(t, err, storage.CodeFailedPrecondition)
	if err := h.pay(); err != nil {
		t.Fatal(err)
	}
	h.has("k", "||")
}

func TestAKeyWithADeadCopyIsAbsent(t *testing.T) {
	for _, place := range []string{"a", "c"} {
		h := newPlacedHost(t, byType())
		h.mustPut("k", "1", "a")
		h.kids[0].fail(storage.CodeUnavailable)
		h.mustPut("k", "2", "b")
		h.kids[0].err.Store(nil)
		if _, err := inner(h.kids[1]).Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		res, err := h.put("k", "3", place, storage.IfAbsent())
		if err != nil || res.Created != storage.Yes {
			t.Fatal(res, err)
		}
		h.reads("k", "3")
		if err := h.pay(); err != nil {
			t.Fatal(err)
		}
		h.reads("k", "3")
		h.kids.holder(t, "k")
	}
}

func TestAMoveWhoseOutcomeNobodyLearns(t *testing.T) {
	for name, stores := range map[string]bool{"was stored": true, "was not stored": false} {
		for _, restarts := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				h := newPlacedHost(t, byType())
				h.mustPut("k", "1", "a")
				h.kids[1].Store = &losing{inner(h.kids[1]), stores}
				_, err := h.put("k", "2", "b", storage.Condition{})
				if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown {
					t.Error("the outcome is known")
				}
				h.kids[1].Store = inner(h.kids[1])
				if restarts {
					h.restart()
				}
				want, copies := "1", "1||"
				if stores {
					want, copies = "2", "|2|"
				}
				h.reads("k", want)
				h.kids[1].fail(storage.CodeUnavailable) // whoever may have the newer copy must answer
				_, err = read(t, h.store, "k", storage.GetOptions{})
				wantCode(t, err, storage.CodeUnavailable)
				if err := h.pay(); err == nil {
					t.Error("it was decided without the one that knows")
				}
				h.kids[1].err.Store(nil)
				h.reads("k", want)
				if err := h.pay(); err != nil {
					t.Fatal(err)
				}
				h.has("k", copies)
				h.reads("k", want)
				if h.owed() != 0 {
					t.Errorf("%d debts are left", h.owed())
				}
			})
		}
	}
}

func TestAPutAfterALostAnswerLeavesNoCopy(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	h.kids[1].Store = &losing{inner(h.kids[1]), true}
	_, err := h.put("k", "2", "b", storage.Condition{})
	wantCode(t, err, storage.CodeUnavailable)
	h.kids[1].Store = inner(h.kids[1])
	h.has("k", "1|2|")
	h.mustPut("k", "3", "a")
	h.has("k", "3||")
}

func TestAMoveThatFailsChangesNothing(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	h.kids[1].fail(storage.CodeUnavailable)
	_, err := h.put("k", "2", "b", storage.Condition{})
	if e := wantCode(t, err, storage.CodeUnavailable); e.OutcomeUnknown || !strings.Contains(err.Error(), "backend.b") {
		t.Error(err)
	}
	h.kids[1].err.Store(nil)
	h.has("k", "1||")
	h.reads("k", "1")
	if h.owed() != 0 {
		t.Errorf("%d debts", h.owed())
	}
	if err := h.journal.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = h.put("k", "2", "b", storage.Condition{})
	if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), "journal") {
		t.Error(err)
	}
	h.has("k", "1||")
}

func TestAHostThatEndsBetweenTheStepsOfAMove(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	version := h.engine().clock.Next()
	if err := h.engine().debts.log.Begin("k", uint64(version), "", names[0]).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.restart() // before the new copy was written
	h.reads("k", "1")
	if err := h.pay(); err != nil {
		t.Fatal(err)
	}
	h.has("k", "1||")
	version = h.engine().clock.Next()
	if err := h.engine().debts.log.Begin("k", uint64(version), "", names[0]).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.kids[1].Store.Put(t.Context(), "k", strings.NewReader("2"), storage.PutOptions{
		Metadata: metadataFor(nil, stamp{version, "w"}, "", time.Time{}, false),
	}); err != nil {
		t.Fatal(err)
	}
	h.restart() // before the old one was deleted
	h.reads("k", "2")
	if err := h.pay(); err != nil {
		t.Fatal(err)
	}
	h.has("k", "|2|")
}

func TestConditionsOfPutsThatMove(t *testing.T) {
	h := newPlacedHost(t, byType())
	first := h.mustPut("k", "1", "a")
	_, err := h.put("k", "2", "b", storage.IfAbsent())
	if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != first.ETag {
		t.Errorf("the current etag is %q", e.Current)
	}
	second, err := h.put("k", "2", "b", storage.IfETag(first.ETag))
	if err != nil {
		t.Fatal(err)
	}
	h.has("k", "|2|")
	for _, place := range []string{"a", "b", "c"} {
		_, err = h.put("k", "3", place, storage.IfETag(first.ETag))
		if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != second.Object.ETag {
			t.Errorf("the current etag is %q, want %q", e.Current, second.Object.ETag)
		}
	}
	if _, err = h.put("k", "3", "c", storage.IfExists()); err != nil {
		t.Error(err)
	}
	h.has("k", "||3")
	_, err = h.put("other", "1", "c", storage.IfExists())
	wantCode(t, err, storage.CodeFailedPrecondition)
}

func TestAConditionalMoveYieldsToAnotherHost(t *testing.T) {
	for name, cond := range map[string]bool{"conditional": true, "unconditional": false} {
		t.Run(name, func(t *testing.T) {
			h := newPlacedHost(t, byType())
			other := h.another()
			first := h.mustPut("k", "1", "a")
			h.kids[0].Store = &meddling{Store: h.kids[0].Store, delete: func() { other.mustPut("k", "theirs", "a") }}
			var of storage.Condition
			if cond {
				of = storage.IfETag(first.ETag)
			}
			_, err := h.put("k", "ours", "b", of)
			if cond {
				wantCode(t, err, storage.CodeFailedPrecondition)
			} else if err != nil {
				t.Error(err)
			}
			h.has("k", "theirs||")
			h.reads("k", "theirs")
			other.reads("k", "theirs")
			if err := h.pay(); err != nil {
				t.Fatal(err)
			}
			h.has("k", "theirs||")
		})
	}
}

func TestAnotherHostFindsWhatMoved(t *testing.T) {
	h := newPlacedHost(t, byType())
	other := h.another()
	h.mustPut("k", "1", "a")
	other.reads("k", "1")
	h.mustPut("k", "2", "b")
	other.reads("k", "2")
	if _, err := h.store.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	other.reads("k", "")
}

func TestADeadCopyStaysDeadWhenTheNextPutFails(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.mustPut("k", "1", "a")
	h.kids[0].fail(storage.CodeUnavailable)
	h.mustPut("k", "2", "b")
	h.kids[0].err.Store(nil)
	if _, err := inner(h.kids[1]).Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.kids[2].Store = &losing{Store: h.kids[2].Store}
	_, err := h.put("k", "3", "c", storage.Condition{})
	wantCode(t, err, storage.CodeUnavailable)
	h.kids[2].Store = inner(h.kids[2])
	h.reads("k", "")
	h.restart()
	h.reads("k", "")
}

// Found by the model: the child that owed something already had been given a
// newer copy since, and nobody learned of it.
func TestAChildThatIsAwayMayHaveMoreThanItOwes(t *testing.T) {
	h := newPlacedHost(t, byType())
	h.kids[2].fail(storage.CodeUnavailable)
	h.mustPut("k", "1", "a") // backend.c may have an older one
	h.kids[2].err.Store(nil)
	h.kids[2].Store = &losing{inner(h.kids[2]), true}
	_, err := h.put("k", "2", "c", storage.Condition{})
	wantCode(t, err, storage.CodeUnavailable)
	h.kids[2].Store = inner(h.kids[2])
	h.kids[2].fail(storage.CodeUnavailable)
	h.mustPut("k", "3", "b")
	h.kids[2].err.Store(nil)
	h.has("k", "|3|2")
	if err := h.pay(); err != nil {
		t.Fatal(err)
	}
	h.has("k", "|3|")
}
