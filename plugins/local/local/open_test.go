package local

import (
	"context"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// openTestDisk opens a store on disk and closes it with the test.
func openTestDisk(t testing.TB, opts DiskOptions) storage.Store {
	t.Helper()
	b, err := OpenDisk(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return storage.Complete(b)
}

func openTestMemory(t testing.TB, opts MemoryOptions) storage.Store {
	t.Helper()
	b := OpenMemory(opts)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return storage.Complete(b)
}
