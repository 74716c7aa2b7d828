package local

import (
	"bytes"
	"context"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// bounds are the options a test of both backends may set.
type bounds struct {
	maxBytes     int64
	watchHistory int
}

// onBoth runs test on a store in memory and on one on disk.
func onBoth(t *testing.T, o bounds, test func(t *testing.T, s storage.Store)) {
	t.Run("memory", func(t *testing.T) {
		test(t, openTestMemory(t, MemoryOptions{MaxBytes: o.maxBytes, WatchHistory: o.watchHistory}))
	})
	t.Run("disk", func(t *testing.T) {
		test(t, openTestDisk(t, DiskOptions{Path: t.TempDir(), MaxBytes: o.maxBytes, WatchHistory: o.watchHistory}))
	})
}

// fataler is a testing.TB or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func mustPut(t testing.TB, s storage.Backend, key string, value []byte) storage.Object {
	t.Helper()
	res, err := s.Put(context.Background(), key, bytes.NewReader(value), storage.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Object
}

func mustDelete(t fataler, s storage.Backend, key string) {
	t.Helper()
	if _, err := s.Delete(context.Background(), key, storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func mustGet(t testing.TB, s storage.Backend, key string) []byte {
	t.Helper()
	r, err := s.Get(context.Background(), key, storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func wantCode(t testing.TB, err error, code storage.Code) {
	t.Helper()
	if err == nil || storage.CodeOf(err) != code {
		t.Fatalf("got %v, want %v", err, code)
	}
}
