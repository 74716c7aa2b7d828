package journal

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestOneHostUsesAJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "journal")
	j, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inUse := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another host") {
			t.Errorf("got %v", err)
		}
	}
	_, err = Open(dir, Options{})
	inUse(err)
	inUse(openInChild(t, dir))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openInChild(t, dir); err != nil {
		t.Errorf("it is free: %v", err)
	}
}

func TestClosedJournalSaysSo(t *testing.T) {
	b := newBench(t, Options{})
	b.miss("k", 1, "a")
	under := b.begin("under way", 1, "a")
	if err := b.j.Close(); err != nil {
		t.Fatal(err)
	}
	b.wait(under) // Close made it durable
	under.Missed("a")
	if err := b.begin("l", 1, "a").Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := b.j.SetValue("v", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := b.j.Value("v"); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := b.l.MarkDirty("a", ""); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := b.l.Clean("a", b.dirty("a", true)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := b.j.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	b.open()
	b.dirty("a", false)
	b.ripe("a", "k", "under way")
	if !woken(b.l.Wake("a")) {
		t.Error("what was found is news")
	}
}

func TestCloseMakesRemovalsDurable(t *testing.T) {
	b := newBench(t, Options{})
	b.miss("k", 1, "a")
	b.l.Settle("a", "k", 1)
	if err := b.j.Close(); err != nil {
		t.Fatal(err)
	}
	b.disk = b.disk.CrashClone(vfs.CrashCloneCfg{})
	b.open()
	b.entry("a", "k", 0)
}

func TestLogsAreApart(t *testing.T) {
	b := newBench(t, Options{})
	if b.j.Log("safe") != b.l {
		t.Error("a log is one")
	}
	other := b.j.Log("saf")
	i := other.Begin("k", 7, "", "ea", "e\xff", "")
	b.wait(i)
	i.Missed("ea")
	b.miss("k", 1, "a")
	if err := b.l.MarkDirty("a", ""); err != nil { // erases its range
		t.Fatal(err)
	}
	b.crash()
	other = b.j.Log("saf")
	for _, target := range []string{"ea", "e\xff", ""} {
		if version, _ := other.Owes(target, "k"); version != 7 {
			t.Errorf("%q owes %d", target, version)
		}
	}
	b.owes("ea", "k", 0)
}

func TestDamagedOrForeignJournalIsRefused(t *testing.T) {
	for name, change := range map[string]struct{ key, value string }{
		"a newer format":       {"f", "\x02"},
		"an entry cut short":   {"e\x01l\x01tkey", "\x80"},
		"an entry's key":       {"e\x01l\x7ft", "\x01\x01"},
		"a target cut short":   {"t\x01l\x01t", "\x01"},
		"a target's long name": {"t\x01l\xff", "\x01\x01"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			if err := b.j.db.Set([]byte(change.key), []byte(change.value), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if err := b.j.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open("/data/journal", b.opts); err == nil || !strings.Contains(err.Error(), "/data/journal") {
				t.Errorf("got %v", err)
			}
		})
	}
}
