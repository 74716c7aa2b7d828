package routing

import (
	"fmt"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/layer"
	plugin "github.com/p2p-ai-agents/stowage/plugins/memory/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// forgetful is a cache in memory.
func forgetful(t testing.TB) storage.Store {
	t.Helper()
	b, err := plugin.Open(plugin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := storage.Complete(b)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// copies is a redundant policy called name.
func copies(t testing.TB, env Env, name string) Child {
	t.Helper()
	var children []Child
	for _, ref := range names {
		children = append(children, Child{Name: ref, Store: memory(t)})
	}
	s, err := Redundant{Replicas: names}.Build(name, env, Children(children...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return Child{Name: "policy." + name, Store: s}
}

func TestNestedPoliciesConformance(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t testing.TB, env Env) storage.Store{
		"a cache over copies": func(t testing.TB, env Env) storage.Store {
			return build(t, PreferCache{Cache: "backend.cache", Source: "policy.safe"}, env,
				Child{Name: "backend.cache", Store: forgetful(t)}, copies(t, env, "safe"))
		},
		"a route to a shard of copies": func(t testing.TB, env Env) storage.Store {
			var refs []string
			var shards []Child
			for i := range 3 {
				c := copies(t, env, fmt.Sprint("safe", i))
				refs, shards = append(refs, c.Name), append(shards, c)
			}
			table, err := NewTable([]Route{{Prefix: "", To: build(t, Shard{Shards: refs}, env, shards...)}, {Prefix: "elsewhere/", To: memory(t)}})
			if err != nil {
				t.Fatal(err)
			}
			return table
		},
		"an expression over failover": func(t testing.TB, env Env) storage.Store {
			_, children := switches(t)
			files := build(t, FirstAvailable{Order: names[:2]}, env, children...)
			return build(t, Custom{Place: `size > 1000 ? policy.files : backend.c`}, env, Child{Name: "policy.files", Store: files}, children[2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend { return layer.Reserved()(open(t, testEnv(t))) },
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}
