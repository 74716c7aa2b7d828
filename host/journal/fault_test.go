package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"
)

// sickDisk decides what becomes of operations on the write-ahead log.
type sickDisk struct {
	onSync, onWrite atomic.Pointer[func() error]
	writes          atomic.Int64 // to any file
}

func (d *sickDisk) wrap(files vfs.FS) vfs.FS {
	return errorfs.Wrap(files, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			d.writes.Add(1)
		}
		if !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		on := &d.onWrite
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			on = &d.onSync
		case errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		default:
			return nil
		}
		if f := on.Load(); f != nil {
			return (*f)()
		}
		return nil
	}))
}

func openSick(t *testing.T) (*sickDisk, *vfs.MemFS, *Journal) {
	t.Helper()
	var sick sickDisk
	disk := vfs.NewCrashableMem()
	j, err := Open("/data/journal", Options{files: sick.wrap(disk), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return &sick, disk, j
}

func TestFailedDiskEndsTheJournal(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		on    func(*sickDisk) *atomic.Pointer[func() error]
	}{
		"a sync that fails":   {unix.EIO, func(d *sickDisk) *atomic.Pointer[func() error] { return &d.onSync }},
		"a disk that is full": {unix.ENOSPC, func(d *sickDisk) *atomic.Pointer[func() error] { return &d.onWrite }},
	} {
		t.Run(name, func(t *testing.T) {
			sick, disk, j := openSick(t)
			l := j.Log("safe")
			before := l.Begin("before", 1, "", "a")
			if err := before.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			fail := func() error { return c.cause }
			c.on(sick).Store(&fail)

			refused := func(err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), "restart the host") {
					t.Errorf("got %v", err)
				}
			}
			var group sync.WaitGroup
			for n := range 16 {
				group.Go(func() { refused(l.Begin(fmt.Sprint(n), 1, "", "a").Wait(t.Context())) })
			}
			group.Wait()
			if err := before.Wait(t.Context()); err != nil {
				t.Errorf("it was durable: %v", err)
			}
			c.on(sick).Store(nil) // the disk is well again; that does not help
			refused(l.Begin("after", 1, "", "a").Wait(t.Context()))
			refused(j.SetValue("v", nil))
			refused(l.MarkDirty("b", ""))
			refused(l.Clean("b", 1))
			_, err := j.Value("v")
			refused(err)
			before.Missed("a") // memory goes on
			if _, ok := l.Entry("a", "before"); !ok {
				t.Error("the memory is lost")
			}
			if len(j.pending.entries) != 0 {
				t.Error("what cannot be written is kept")
			}
			refused(j.Close())
			if err := j.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}

			j, err = Open("/data/journal", Options{files: disk})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			l = j.Log("safe")
			if _, owes := l.Owes("a", "before"); !owes {
				t.Error("what was durable is lost")
			}
			if err := l.Begin("k", 1, "", "a").Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStalledDiskHoldsUpOnlyThoseWhoWait(t *testing.T) {
	sick, _, j := openSick(t)
	l := j.Log("safe")
	resume := make(chan struct{})
	stalled := make(chan struct{}, 1)
	stall := func() error {
		select {
		case stalled <- struct{}{}:
		default:
		}
		<-resume
		return nil
	}
	sick.onSync.Store(&stall)
	first := l.Begin("first", 1, "", "a")
	<-stalled
	for n := range 10_000 { // none is ever written
		i := l.Begin(fmt.Sprint(n), 1, "", "a")
		i.Acknowledged()
		i.Done("a")
	}
	j.mu.RLock()
	if n := len(j.pending.entries); n != 0 {
		t.Errorf("%d entries wait that owe nothing", n)
	}
	j.mu.RUnlock()
	second := l.Begin("second", 1, "", "a")
	second.Missed("a")
	if got := l.Ripe("a", 9); len(got) != 1 || got[0].Key != "second" {
		t.Errorf("got %+v", got)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for _, i := range []*Intent{first, second} {
		if err := i.Wait(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
	close(resume)
	for _, i := range []*Intent{first, second} {
		if err := i.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := i.Wait(impatient); err != nil {
			t.Errorf("what is durable needs no patience: %v", err)
		}
	}
}

func TestPanicOfTheDatabaseEndsTheJournal(t *testing.T) {
	_, _, j := openSick(t)
	batch := j.db.NewBatch()
	if err := errors.Join(batch.Set([]byte("v"), nil, nil), j.db.Apply(batch, pebble.Sync)); err != nil {
		t.Fatal(err)
	}
	if err := j.apply(batch, true); err == nil { // once more
		t.Error("a panic is no success")
	}
}

func TestFailedJournalDoesNotTouchItsDirectory(t *testing.T) {
	sick, _, j := openSick(t)
	if err := j.db.Set([]byte("v"), nil, pebble.NoSync); err != nil { // in a buffer of the database
		t.Fatal(err)
	}
	sick.writes.Store(0)
	j.fault.fail(unix.EIO)
	if err := j.Close(); !errors.Is(err, unix.EIO) {
		t.Errorf("got %v", err)
	}
	if n := sick.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}
