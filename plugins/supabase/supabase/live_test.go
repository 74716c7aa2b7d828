package supabase

import (
	"cmp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// TestLiveProject runs the conformance kit against a real project, in a
// namespace of its own, which it empties. docs/supabase.md says how to prepare
// one.
func TestLiveProject(t *testing.T) {
	url := os.Getenv("SUPABASE_URL")
	key := cmp.Or(os.Getenv("SUPABASE_SECRET_KEY"), os.Getenv("SUPABASE_SERVICE_ROLE_KEY"))
	if url == "" || key == "" {
		t.Skip("there is no live project: SUPABASE_URL, and SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY, are not set")
	}
	open := func(t testing.TB, inlineLimit schema.ByteSize) storage.Backend {
		c := &Config{
			URL: url, InlineLimit: inlineLimit, Schema: cmp.Or(os.Getenv("SUPABASE_SCHEMA"), DefaultSchema), Table: cmp.Or(os.Getenv("SUPABASE_TABLE"), DefaultTable),
			Namespace: "live test " + uuid.NewString(), Bucket: os.Getenv("SUPABASE_BUCKET"),
			MaxValueSize: 50 << 20, Timeout: 30 * time.Second, MaxRetries: 4, MaxConnections: 16, MaxUploads: 2,
			WatchInterval: 200 * time.Millisecond, History: time.Hour, SweepInterval: 5 * time.Second, OrphanGrace: 24 * time.Hour,
		}
		if strings.HasPrefix(key, secretPrefix) {
			c.SecretKey = key
		} else {
			c.ServiceRoleKey = key
		}
		if diags := c.Validate(t.Context()); diags.HasErrors() {
			t.Fatal(diags)
		}
		return openWith(t, c, t.TempDir())
	}
	options := storagetest.Options{Timeout: 5 * time.Minute, TTL: 5 * time.Second, MaxValueBytes: 8 << 20, Concurrency: 8}
	t.Run("inline", func(t *testing.T) {
		storagetest.Run(t, storagetest.Harness{Open: func(t testing.TB) storage.Backend { return open(t, 1<<20) }, Options: options})
	})
	t.Run("objects", func(t *testing.T) {
		if os.Getenv("SUPABASE_BUCKET") == "" {
			t.Skip("there is no bucket for large values: SUPABASE_BUCKET is not set")
		}
		storagetest.Run(t, storagetest.Harness{Open: func(t testing.TB) storage.Backend { return open(t, 1) }, Options: options})
	})
}
