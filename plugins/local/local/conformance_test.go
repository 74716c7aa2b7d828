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
