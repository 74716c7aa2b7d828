package routing

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// stampingKit runs the conformance kit over a policy that keeps something of its
// own beside what callers give.
func stampingKit(t *testing.T, open func(t testing.TB) storage.Store) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend { return layer.Reserved()(open(t)) },
		Options: storagetest.Options{
			Alone: true, KeepOpen: true,
			Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
		},
	})
}

// oddAndEven moves an object whenever its size changes by one.
func oddAndEven() Custom {
	return Custom{Place: "size % 2 == 0 ? backend.a : (size % 4 == 1 ? backend.b : backend.c)"}
}

func TestPlacementConformance(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]func(t testing.TB) Env{
		"with a journal": testEnv,
		"without":        func(testing.TB) Env { return Env{} },
	} {
		t.Run(name, func(t *testing.T) {
			stampingKit(t, func(t testing.TB) storage.Store {
				return build(t, RoundRobin{Backends: names, Mode: RoundRobinPlacement}, env(t), newKids(t).children()...)
			})
		})
	}
}

func TestCustomConformance(t *testing.T) {
	t.Parallel()
	t.Run("dynamic", func(t *testing.T) {
		stampingKit(t, func(t testing.TB) storage.Store {
			return build(t, oddAndEven(), testEnv(t), newKids(t).children()...)
		})
	})
	t.Run("static", func(t *testing.T) {
		t.Parallel()
		storagetest.Run(t, storagetest.Harness{
			Open: func(t testing.TB) storage.Backend {
				return build(t, Custom{Place: "hash(key) % 2 == 0 ? backend.a : backend.b"}, Env{}, newKids(t).children()...)
			},
			Options: storagetest.Options{Alone: true, KeepOpen: true},
		})
	})
}
