package local

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestConformanceInMemory(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open:    func(testing.TB) storage.Backend { return OpenMemory(MemoryOptions{}) },
		Options: storagetest.Options{Alone: true},
	})
}

func TestConformanceOnDisk(t *testing.T) {
	paths := make(map[storage.Backend]string)
	open := func(t testing.TB, path string) storage.Backend {
		b := openTestDisk(t, DiskOptions{Path: path})
		paths[b] = path
		return b
	}
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend { return open(t, t.TempDir()) },
		Reopen: func(t testing.TB, b storage.Backend) storage.Backend {
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[b])
		},
		Options: storagetest.Options{Alone: true},
	})
}
