package memory

import (
	"context"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func open(t testing.TB, opts Options) *backend {
	t.Helper()
	b, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b.(*backend)
}

// Nothing may be forgotten here, so the bound is far above what the kit stores.
func harness() storagetest.Harness {
	return storagetest.Harness{
		Open:    func(t testing.TB) storage.Backend { return open(t, Options{MaxBytes: 1 << 30}) },
		Options: storagetest.Options{Alone: true},
	}
}

func TestConformance(t *testing.T) { storagetest.Run(t, harness()) }

func BenchmarkMemory(b *testing.B) { storagetest.Bench(b, harness()) }
