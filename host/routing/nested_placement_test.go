package routing

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestPlacementNests(t *testing.T) {
	t.Parallel()
	inner := func(t testing.TB, name string, p Policy) Child {
		return Child{Name: "policy." + name, Store: build(t, p, testEnv(t), newKids(t).children()...)}
	}
	for name, open := range map[string]func(t testing.TB) storage.Store{
		"a route to shard": func(t testing.TB) storage.Store {
			return table(t, Route{"", memory(t)}, Route{"kit/", inner(t, "shard", Shard{Shards: names}).Store})
		},
		"custom over first_available": func(t testing.TB) storage.Store {
			return build(t, Custom{Place: "size % 2 == 0 ? policy.one : policy.two"}, testEnv(t),
				inner(t, "one", FirstAvailable{Order: names}), inner(t, "two", FirstAvailable{Order: names}))
		},
		"custom over custom": func(t testing.TB) storage.Store {
			return build(t, Custom{Place: "size % 2 == 0 ? policy.one : policy.two"}, testEnv(t),
				inner(t, "one", oddAndEven()), inner(t, "two", placement()))
		},
		"custom over redundant": func(t testing.TB) storage.Store {
			return build(t, Custom{Place: "size % 2 == 0 ? policy.one : backend.a"}, testEnv(t),
				inner(t, "one", Redundant{Replicas: names}), newKids(t).children()[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend { return layer.Reserved()(open(t)) },
				Options: storagetest.Options{
					Prefix: "kit/", KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}
