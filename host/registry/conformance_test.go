package registry

import (
	"context"
	"testing"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestHandleConformance(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend {
			r := New(Options{})
			m := storage.Complete(local.OpenMemory(local.MemoryOptions{}))
			r.Swap("mem", m, Meta{})
			t.Cleanup(func() {
				ctx := context.WithoutCancel(t.Context())
				if err := r.Remove("mem").Drain(ctx); err != nil {
					t.Error(err)
				}
				if err := m.Close(ctx); err != nil {
					t.Error(err)
				}
			})
			return r.Handle("mem")
		},
		Options: storagetest.Options{Alone: true, KeepOpen: true},
	})
}
