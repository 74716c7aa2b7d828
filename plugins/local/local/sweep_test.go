package local

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestSweeperRemovesWhatExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestMemory(t, MemoryOptions{SweepInterval: time.Minute})
		used := &s.(testStore).inside.quota.used
		w := watch(t, s, storage.WatchOptions{})
		mustPut(t, s, "stays", nil)
		before := used.Load()
		if _, err := s.Put(t.Context(), "goes", strings.NewReader("x"), storage.PutOptions{TTL: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, w, storage.EventPut, "stays")
		wantEvent(t, w, storage.EventPut, "goes")
		begin := time.Now()
		e, err := w.Next(t.Context())
		if err != nil || e.Kind != storage.EventDelete || e.Key != "goes" {
			t.Fatalf("got %v, %v", e, err)
		}
		if waited := time.Since(begin); waited != time.Minute {
			t.Errorf("it was swept after %v", waited)
		}
		if used.Load() != before {
			t.Errorf("%d bytes are in use, %d were", used.Load(), before)
		}
	})
}

func TestRewrittenObjectsAreNotSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestMemory(t, MemoryOptions{SweepInterval: time.Minute})
		if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{TTL: time.Second}); err != nil {
			t.Fatal(err)
		}
		o := mustPut(t, s, "k", []byte("y"))
		time.Sleep(time.Hour)
		if now, err := s.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || now.ETag != o.ETag {
			t.Errorf("got %v, %v", now, err)
		}
	})
}

func TestSweepOnDiskRemovesFiles(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	path := t.TempDir()
	opts := DiskOptions{Path: path, SweepInterval: time.Hour, now: func() time.Time { return time.Unix(0, clock.Load()) }}
	s := openTestDisk(t, opts)
	const objects = 2*sweepBatch + 5
	for i := range objects {
		size := 10
		if i%10 == 0 {
			size = DefaultInlineLimit + 1
		}
		put := storage.PutOptions{TTL: time.Minute}
		if _, err := s.Put(t.Context(), strings.Repeat("k", i+1), bytes.NewReader(make([]byte, size)), put); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, s)
	clock.Add(int64(2 * time.Minute))
	s = openTestDisk(t, opts)
	page, err := s.List(t.Context(), storage.ListOptions{})
	if err != nil || len(page.Objects) > 0 || page.NextToken != "" {
		t.Fatalf("the listing has %d objects, %v", len(page.Objects), err)
	}
	s.(testStore).inside.sweep(t.Context())
	wantNoFiles(t, s)
	e, _ := engineOf(t, s).(*diskEngine)
	left := 0
	for _, space := range []byte{recordSpace, valueSpace, fileSpace, expirySpace} {
		if err := e.index.each([]byte{space}, []byte{space + 1}, func([]byte, []byte) ([]byte, bool, error) { left++; return nil, true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if left > 0 {
		t.Errorf("%d entries are left in the index", left)
	}
}

func TestPagesOverManyExpiredObjectsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestMemory(t, MemoryOptions{SweepInterval: 24 * time.Hour})
		const objects = maxListScan + 100
		var ops []storage.BatchOp
		for i := range objects {
			key := string([]rune{'a', rune(0x100 + i/1000), rune(0x100 + i%1000)})
			ops = append(ops, storage.BatchOp{Kind: storage.BatchPut, Key: key, Put: storage.PutOptions{TTL: time.Second}})
			if len(ops) == storage.MaxBatchOps || i == objects-1 {
				if _, err := s.Batch(t.Context(), ops, storage.BatchOptions{}); err != nil {
					t.Fatal(err)
				}
				ops = nil
			}
		}
		mustPut(t, s, "b", nil)
		time.Sleep(time.Minute)
		first, err := s.List(t.Context(), storage.ListOptions{})
		if err != nil || len(first.Objects) != 0 || first.NextToken == "" {
			t.Fatalf("the first page has %d objects and token %q, %v", len(first.Objects), first.NextToken, err)
		}
		second, err := s.List(t.Context(), storage.ListOptions{Token: first.NextToken})
		if err != nil || len(second.Objects) != 1 || second.NextToken != "" {
			t.Fatalf("the second page has %d objects and token %q, %v", len(second.Objects), second.NextToken, err)
		}
	})
}
