package wire_test

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestConformanceThroughTheWire(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend {
			return wire.OpenThroughTheWire(t, local.OpenMemory(local.MemoryOptions{}))
		},
		Options: storagetest.Options{Alone: true},
	})
}
