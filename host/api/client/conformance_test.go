package client_test

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestConformance(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend { return open(t, new(memory.Backend)) },
		Options: storagetest.Options{Skip: map[string]string{
			"metadata/four-kib-are-accepted": "reserved metadata does not pass the HTTP API, and a caller's is at most 2 KiB",
		}},
	})
}
