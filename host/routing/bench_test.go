package routing

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func benchGet(b *testing.B, s storage.Store) {
	put(b, s, "models/llama/weights.bin", "a small value")
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.Get(b.Context(), "models/llama/weights.bin", storage.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
	}
}

func BenchmarkBareGet(b *testing.B) { benchGet(b, memory(b)) }

func BenchmarkShardGet(b *testing.B) {
	p, _ := shardOfThree(b)
	benchGet(b, p)
}
