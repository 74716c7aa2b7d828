package routing

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	cachememory "github.com/p2p-ai-agents/stowage/plugins/memory/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// otterCache is a backend of the plugin memory.
func otterCache(t testing.TB) storage.Store {
	t.Helper()
	b, err := cachememory.Open(cachememory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return storage.Complete(b)
}

// cached is a prefer_cache and what it is made of.
type cached struct {
	*preferCache
	mem, disk *hooked
	events    *policyEvents
}

// hot is a prefer_cache over a cache in memory and a source in memory that cannot
// be watched.
func hot(t testing.TB, o PreferCache) cached {
	t.Helper()
	return hotOver(t, o, otterCache(t), unwatched{memory(t)})
}

func hotOver(t testing.TB, o PreferCache, mem, disk storage.Store) cached {
	t.Helper()
	c := cached{mem: &hooked{Store: mem}, disk: &hooked{Store: disk}, events: &policyEvents{}}
	o.Cache, o.Source = "backend.mem", "backend.disk"
	c.preferCache = build(t, o, Env{Listener: c.events.listener()}, c.mem.child(o.Cache), c.disk.child(o.Source)).(*preferCache)
	return c
}

func TestPreferCacheConformance(t *testing.T) {
	t.Parallel()
	for _, write := range []string{"invalidate", "through"} {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend {
					return layer.Reserved()(hotOver(t, PreferCache{Write: write}, otterCache(t), memory(t)))
				},
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}

func BenchmarkPreferCacheHit(b *testing.B) {
	for _, size := range []int{128, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var hits, misses atomic.Int64
			o := PreferCache{Cache: "backend.mem", Source: "backend.disk"}
			p := build(b, o, Env{Listener: event.Listener{Cache: func(i event.CacheInfo) {
				if i.Hit {
					hits.Add(1)
				} else {
					misses.Add(1)
				}
			}}}, Child{Name: o.Cache, Store: otterCache(b)}, Child{Name: o.Source, Store: unwatched{memory(b)}})
			put(b, p, "k", strings.Repeat("v", size))
			ctx := b.Context()
			get := func() {
				r, err := p.Get(ctx, "k", storage.GetOptions{})
				if err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
			for hits.Load() == 0 { // it is cached
				get()
			}
			misses.Store(0)
			b.ReportAllocs()
			for b.Loop() {
				get()
			}
			if n := misses.Load(); n > 0 {
				b.Errorf("%d misses", n)
			}
		})
	}
}
