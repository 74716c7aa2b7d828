package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

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
	_ = l.unreadable("k", storage.CodeUnavailable)
	l.holds(1, "k", "old")
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
