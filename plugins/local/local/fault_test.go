package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// walFault decides what becomes of the syncs of the write-ahead log.
type walFault struct {
	onSync atomic.Pointer[func() error]
}

func (f *walFault) files() vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if onSync := f.onSync.Load(); onSync != nil && strings.HasSuffix(op.Path, ".log") {
				return (*onSync)()
			}
		}
		return nil
	}))
}

func TestFailedSyncIsAnUnknownOutcome(t *testing.T) {
	path := t.TempDir()
	var fault walFault
	s := openTestDisk(t, DiskOptions{Path: path, indexFiles: fault.files()})
	mustPut(t, s, "before", []byte("safe"))
	broken := errors.New("the disk came off")
	fail := func() error { return broken }
	fault.onSync.Store(&fail)

	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			_, err := s.Put(t.Context(), fmt.Sprint(i), strings.NewReader("x"), storage.PutOptions{})
			if storage.CodeOf(err) != storage.CodeUnavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	// One of them was first; whoever came after it may know that nothing
	// happened. From here on everything is refused.
	_, err := s.Put(t.Context(), "later", strings.NewReader("x"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if storage.AsError(err).OutcomeUnknown {
		t.Error("nothing was tried, so the outcome is known")
	}
	_, err = s.Get(t.Context(), "before", storage.GetOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	wantCode(t, s.CheckHealth(t.Context()), storage.CodeUnavailable)
	closeNow(t, s)

	s = openTestDisk(t, DiskOptions{Path: path})
	if got := mustGet(t, s, "before"); string(got) != "safe" {
		t.Errorf("got %q", got)
	}
	mustPut(t, s, "after", nil)
}

func TestFirstFailedSyncSaysUnknown(t *testing.T) {
	var fault walFault
	s := openTestDisk(t, DiskOptions{Path: t.TempDir(), indexFiles: fault.files()})
	fail := func() error { return unix.EIO }
	fault.onSync.Store(&fail)
	_, err := s.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if !storage.AsError(err).OutcomeUnknown {
		t.Errorf("the outcome is unknown: %v", err)
	}
}

// untilApplied returns a context that is canceled when the index has another
// record of key than now, as it does while the commit is being synced.
func untilApplied(t *testing.T, e engine, key string) context.Context {
	t.Helper()
	before, err := e.lookup(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		defer cancel()
		for ctx.Err() == nil {
			if now, err := e.lookup(key); err != nil || now.etag() != before.etag() {
				return
			}
			time.Sleep(time.Millisecond) // nothing tells
		}
	}()
	return ctx
}

func TestStalledDiskHoldsNobodyUp(t *testing.T) {
	var fault walFault
	s := openTestDisk(t, DiskOptions{Path: t.TempDir(), indexFiles: fault.files()})
	old := mustPut(t, s, "k", []byte("old"))
	mustPut(t, s, "gone", nil)
	resume := make(chan struct{})
	stall := func() error { <-resume; return nil }
	fault.onSync.Store(&stall)

	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	_, err := s.Put(untilApplied(t, engineOf(t, s), "k"), "k", strings.NewReader("new"), storage.PutOptions{})
	wantCode(t, err, storage.CodeCanceled)
	if !storage.AsError(err).OutcomeUnknown {
		t.Error("the outcome of a commit that hangs is unknown")
	}
	_, err = s.Put(soon(), "k", strings.NewReader("newer"), storage.PutOptions{})
	wantCode(t, err, storage.CodeDeadlineExceeded)
	if storage.AsError(err).OutcomeUnknown {
		t.Error("a put that waits for the key did not happen")
	}
	_, err = s.Delete(untilApplied(t, engineOf(t, s), "gone"), "gone", storage.DeleteOptions{})
	wantCode(t, err, storage.CodeCanceled)

	// What is not durable yet is not shown: neither the new value, nor the
	// absence of the deleted one.
	for _, key := range []string{"k", "gone"} {
		_, err = s.Get(soon(), key, storage.GetOptions{})
		wantCode(t, err, storage.CodeDeadlineExceeded)
	}
	_, err = s.List(soon(), storage.ListOptions{})
	wantCode(t, err, storage.CodeDeadlineExceeded)
	_, err = s.Stat(t.Context(), "never", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)

	reads := make(chan string, 1)
	go func() {
		r, err := s.Get(context.Background(), "k", storage.GetOptions{})
		if err != nil {
			reads <- err.Error()
			return
		}
		value, _ := r.Bytes()
		reads <- string(value)
	}()
	close(resume)
	if got := <-reads; got != "new" {
		t.Errorf("the read that waited got %q", got)
	}
	_, err = s.Stat(t.Context(), "gone", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)
	if now, err := s.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || now.ETag == old.ETag {
		t.Errorf("got %v, %v", now, err)
	}
}

func TestCloseOfAStalledStoreIsBounded(t *testing.T) {
	var fault walFault
	b, err := OpenDisk(t.Context(), DiskOptions{Path: t.TempDir(), indexFiles: fault.files()})
	if err != nil {
		t.Fatal(err)
	}
	resume := make(chan struct{})
	stall := func() error { <-resume; return nil }
	fault.onSync.Store(&stall)
	inside, _ := b.(*store)
	ctx := untilApplied(t, inside.engine, "k")
	if _, err := b.Put(ctx, "k", strings.NewReader("x"), storage.PutOptions{}); err == nil {
		t.Fatal("the put came back")
	}
	wantCode(t, b.Close(ctx), storage.CodeCanceled)
	_, err = b.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	close(resume)
	closeNow(t, b)
}
