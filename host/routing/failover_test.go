package routing

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestWritesThatFailOverConform(t *testing.T) {
	primaries := map[string]func(t testing.TB) storage.Store{
		"the primary works": memory,
		"the primary refuses every other write": func(t testing.TB) storage.Store {
			return &restless{Store: memory(t), refused: map[string]bool{}}
		},
	}
	for name, primary := range primaries {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend {
					p := build(t, FirstAvailable{Order: names[:2], Writes: WritesFailover}, testEnv(t),
						Child{Name: names[0], Store: primary(t)}, Child{Name: names[1], Store: memory(t)})
					return layer.Reserved()(p)
				},
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}
