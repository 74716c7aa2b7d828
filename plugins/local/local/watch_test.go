package local

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func watch(t *testing.T, s storage.Watcher, opts storage.WatchOptions) storage.EventStream {
	t.Helper()
	w, err := s.Watch(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func wantEvent(t *testing.T, w storage.EventStream, kind storage.EventKind, key string) storage.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := w.Next(ctx)
	if err != nil || e.Kind != kind || e.Key != key {
		t.Fatalf("got %v %q, %v; want %v %q", e.Kind, e.Key, err, kind, key)
	}
	return e
}

func TestSlowWatcherGetsAGap(t *testing.T) {
	onBoth(t, bounds{watchHistory: 8}, func(t *testing.T, s storage.Store) {
		w := watch(t, s, storage.WatchOptions{})
		first := mustPut(t, s, "first", nil)
		if e := wantEvent(t, w, storage.EventPut, "first"); e.ETag != first.ETag {
			t.Errorf("the event has etag %q", e.ETag)
		}
		early := w.Cursor()
		for i := range 20 {
			mustPut(t, s, fmt.Sprint(i), nil)
		}
		gap := wantEvent(t, w, storage.EventGap, "")
		mustDelete(t, s, "first")
		wantEvent(t, w, storage.EventDelete, "first")

		wantEvent(t, watch(t, s, storage.WatchOptions{Cursor: early}), storage.EventGap, "")
		wantEvent(t, watch(t, s, storage.WatchOptions{Cursor: gap.Cursor}), storage.EventDelete, "first")
	})
}

func TestWatchGoesOnAfterAReopening(t *testing.T) {
	path := t.TempDir()
	s := openTestDisk(t, DiskOptions{Path: path, WatchHistory: 8})
	start := watch(t, s, storage.WatchOptions{}).Cursor()
	for i := range 5 {
		mustPut(t, s, fmt.Sprint(i), nil)
	}
	w := watch(t, s, storage.WatchOptions{Cursor: start})
	wantEvent(t, w, storage.EventPut, "0")
	wantEvent(t, w, storage.EventPut, "1")
	closeNow(t, s)
	if _, err := w.Next(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a stream of a closed store: %v", err)
	}

	s = openTestDisk(t, DiskOptions{Path: path, WatchHistory: 8})
	mustPut(t, s, "5", nil)
	resumed := watch(t, s, storage.WatchOptions{Cursor: w.Cursor()})
	for i := 2; i <= 5; i++ {
		wantEvent(t, resumed, storage.EventPut, fmt.Sprint(i))
	}
	for i := range 10 {
		mustPut(t, s, fmt.Sprint(i), nil)
	}
	closeNow(t, s)

	s = openTestDisk(t, DiskOptions{Path: path, WatchHistory: 3})
	wantEvent(t, watch(t, s, storage.WatchOptions{Cursor: w.Cursor()}), storage.EventGap, "")
	e, _ := engineOf(t, s).(*diskEngine)
	if entries, _, err := e.index.events(); err != nil || len(entries) != 3 {
		t.Errorf("%d entries of the log are kept, %v", len(entries), err)
	}
}

func TestCursorsOfElsewhere(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		other := openTestMemory(t, MemoryOptions{})
		mustPut(t, other, "k", nil)
		for _, cursor := range []string{
			watch(t, other, storage.WatchOptions{}).Cursor(), // another store
			s.(testStore).inside.log.cursor(1000),            // a store that was set back
		} {
			w := watch(t, s, storage.WatchOptions{Cursor: cursor})
			if w.Cursor() == "" {
				t.Error("the stream has no cursor")
			}
			wantEvent(t, w, storage.EventGap, "")
			mustPut(t, s, "k", nil)
			wantEvent(t, w, storage.EventPut, "k")
		}
		for _, cursor := range []string{"x", "!!!!", "AAAAAAAAAAAAAAAAAAAAAAA", "AQ"} {
			_, err := s.Watch(t.Context(), storage.WatchOptions{Cursor: cursor})
			wantCode(t, err, storage.CodeInvalidArgument)
		}
	})
}

func TestLogPublishesInOrder(t *testing.T) {
	l := newChangeLog(1, 8, nil, 0)
	first := &commit{events: []logEntry{{key: "a"}, {key: "b"}}}
	second := &commit{events: []logEntry{{key: "c"}}}
	third := &commit{events: []logEntry{{key: "d"}}}
	for _, c := range []*commit{first, second, third} {
		l.begin(c)
	}
	l.end(third, false)
	l.end(second, true)
	if l.settled.Load() != 0 || len(l.ring) != 0 {
		t.Fatal("something was published before the first commit ended")
	}
	l.end(first, false)
	var keys string
	for i := range l.ring {
		keys += l.entry(i).key
	}
	if keys != "abd" || l.settled.Load() != 4 || l.last != 4 {
		t.Errorf("published %q, settled %d, last %d", keys, l.settled.Load(), l.last)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(newChangeLog(7, 1, nil, 0).cursor(9))
	f.Add("")
	f.Add("AX000000000000000000\n000") // decoders skip line breaks
	f.Fuzz(func(t *testing.T, cursor string) {
		origin, position, err := parseCursor(cursor)
		if err != nil {
			if storage.CodeOf(err) != storage.CodeInvalidArgument {
				t.Errorf("got %v", err)
			}
			return
		}
		if again := (&changeLog{origin: origin}).cursor(position); again != cursor {
			t.Errorf("%q is read as %q", cursor, again)
		}
	})
}
