package routing

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func benchGet(b *testing.B, s storage.Store) {
	b.Helper()
	put(b, s, "some/key", strings.Repeat("v", 128))
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.Get(b.Context(), "some/key", storage.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
	}
}

// BenchmarkGet compares policies over children in memory with a bare child.
func BenchmarkGet(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchGet(b, memory(b)) })
	for name, p := range map[string]Policy{
		"always_use":      AlwaysUse{Backend: names[0]},
		"first_available": FirstAvailable{Order: names},
		"redundant":       Redundant{Replicas: names},
		"round_robin":     RoundRobin{Backends: names},
		"shard":           Shard{Shards: names},
		"placement":       RoundRobin{Backends: names, Mode: RoundRobinPlacement},
		"custom static":   Custom{Place: `startswith(key, "some/") ? backend.a : backend.b`},
		"custom dynamic":  Custom{Place: `size > 1048576 ? backend.a : backend.b`},
	} {
		b.Run(name, func(b *testing.B) {
			var children []Child
			for _, name := range names {
				children = append(children, Child{Name: name, Store: memory(b)})
			}
			benchGet(b, build(b, p, testEnv(b), children...))
		})
	}
	_ = fmt.Sprint
}
