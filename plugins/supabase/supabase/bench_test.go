package supabase

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func BenchmarkSupabase(b *testing.B) {
	project := newProject(b, "", supabasetest.ProjectOptions{})
	storagetest.Bench(b, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend { return openWith(t, config(project), "") },
	})
}
