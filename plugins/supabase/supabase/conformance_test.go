package supabase

import (
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestConformance(t *testing.T) {
	project := newProject(t, "", supabasetest.ProjectOptions{})
	namespace := 0
	state := t.TempDir()
	configs := make(map[storage.Backend]*Config)
	open := func(t testing.TB, c *Config) storage.Backend {
		b := openWith(t, c, state)
		configs[b] = c
		return b
	}
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend {
			namespace++
			c := config(project)
			c.Namespace = string(rune('a' + namespace))
			return open(t, c)
		},
		Reopen: func(t testing.TB, b storage.Backend) storage.Backend {
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			return open(t, configs[b])
		},
		Options: storagetest.Options{Alone: true},
	})
}
