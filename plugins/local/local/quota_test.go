package local

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestQuotaBoundsWhatIsStored(t *testing.T) {
	onBoth(t, bounds{maxBytes: 1 << 20}, func(t *testing.T, s storage.Store) {
		used := &s.(testStore).inside.quota.used
		old := mustPut(t, s, "k", make([]byte, 300_000))
		before := used.Load()
		_, err := s.Put(t.Context(), "k", io.LimitReader(zeros{}, 1<<40), storage.PutOptions{})
		wantCode(t, err, storage.CodeQuotaExceeded)
		if now, err := s.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || now.ETag != old.ETag {
			t.Errorf("the object is %v, %v", now, err)
		}
		if used.Load() != before {
			t.Errorf("after the refusal %d bytes are in use, before it %d", used.Load(), before)
		}
		for range 20 { // overwriting does not add up
			mustPut(t, s, "k", make([]byte, 300_000))
		}
		mustDelete(t, s, "k")
		if used.Load() != 0 {
			t.Errorf("%d bytes are in use by nothing", used.Load())
		}
		wantNoFiles(t, s)
	})
}

func TestQuotaCountsKeysAndMetadata(t *testing.T) {
	onBoth(t, bounds{maxBytes: 64 << 10}, func(t *testing.T, s storage.Store) {
		used := &s.(testStore).inside.quota.used
		put := storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"name": "value"}}
		if _, err := s.Put(t.Context(), "key", strings.NewReader("1234"), put); err != nil {
			t.Fatal(err)
		}
		if want := int64(recordOverhead + len("key1234text/plainnamevalue")); used.Load() != want {
			t.Errorf("%d bytes are in use, want %d", used.Load(), want)
		}
		var err error
		stored := 0
		for ; err == nil && stored < 1000; stored++ {
			_, err = s.Put(t.Context(), fmt.Sprintf("%01000d", stored), strings.NewReader(""), storage.PutOptions{})
		}
		wantCode(t, err, storage.CodeQuotaExceeded)
		if stored > 64 {
			t.Errorf("%d keys of 1000 bytes fit in 64 KiB", stored)
		}
	})
}

func TestQuotaInABatch(t *testing.T) {
	onBoth(t, bounds{maxBytes: 100_000}, func(t *testing.T, s storage.Store) {
		used := &s.(testStore).inside.quota.used
		ops := []storage.BatchOp{
			{Kind: storage.BatchPut, Key: "fits", Value: make([]byte, 10_000)},
			{Kind: storage.BatchPut, Key: "large", Value: make([]byte, 200_000)},
			{Kind: storage.BatchPut, Key: "fits", Value: make([]byte, 20_000)},
		}
		results, err := s.Batch(t.Context(), ops, storage.BatchOptions{Atomic: true})
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, results[0].Err, storage.CodeAborted)
		wantCode(t, results[1].Err, storage.CodeQuotaExceeded)
		if used.Load() != 0 {
			t.Errorf("%d bytes are in use by nothing", used.Load())
		}
		results, err = s.Batch(t.Context(), ops, storage.BatchOptions{})
		if err != nil || results[0].Err != nil || results[2].Err != nil {
			t.Fatal(err, results)
		}
		if want := int64(recordOverhead + len("fits") + 20_000); used.Load() != want {
			t.Errorf("%d bytes are in use, want %d", used.Load(), want)
		}
		wantNoFiles(t, s)
	})
}

func TestQuotaIsCountedAtOpening(t *testing.T) {
	path := t.TempDir()
	s := openTestDisk(t, DiskOptions{Path: path, MaxBytes: 1 << 20})
	for i := range 10 {
		mustPut(t, s, fmt.Sprint(i), bytes.Repeat([]byte("x"), i*10_000))
	}
	want := s.(testStore).inside.quota.used.Load()
	closeNow(t, s)
	s = openTestDisk(t, DiskOptions{Path: path, MaxBytes: 1 << 20})
	if got := s.(testStore).inside.quota.used.Load(); got != want {
		t.Errorf("%d bytes are in use after opening, %d were before", got, want)
	}
}

func TestRoomOfExpiredObjectsIsTakenWhenWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestMemory(t, MemoryOptions{MaxBytes: 100_000, SweepInterval: 24 * time.Hour})
		if _, err := s.Put(t.Context(), "goes", io.LimitReader(zeros{}, 80_000), storage.PutOptions{TTL: time.Second}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Put(t.Context(), "k", io.LimitReader(zeros{}, 80_000), storage.PutOptions{})
		wantCode(t, err, storage.CodeQuotaExceeded)
		time.Sleep(2 * time.Second)
		mustPut(t, s, "k", make([]byte, 80_000))
	})
}
