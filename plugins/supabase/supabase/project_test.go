package supabase

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// newProject is a project with the tables, and with a bucket if that is
// named.
func newProject(t testing.TB, bucket string, options supabasetest.ProjectOptions) *supabasetest.Project {
	t.Helper()
	return projectIn(t, shared.get(t), bucket, options)
}

func projectIn(t testing.TB, cluster *supabasetest.Cluster, bucket string, options supabasetest.ProjectOptions) *supabasetest.Project {
	t.Helper()
	p := supabasetest.Open(t, cluster, options)
	migrate(t, p, SchemaOptions{})
	if bucket != "" {
		p.MakeBucket(bucket, false)
	}
	return p
}

func migrate(t testing.TB, p *supabasetest.Project, o SchemaOptions) {
	t.Helper()
	sql, err := o.SQL()
	if err == nil {
		err = Migrate(t.Context(), p.DSN(), sql)
	}
	if err == nil {
		err = p.ReloadSchema(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// config is a configuration for p with short waits.
func config(p *supabasetest.Project) *Config {
	return &Config{
		URL: p.URL, SecretKey: p.SecretKey, Schema: DefaultSchema, Table: DefaultTable, Namespace: "default",
		InlineLimit: 1 << 20, MaxValueSize: 5 << 30, Timeout: 10 * time.Second, MaxRetries: 4,
		MaxConnections: 32, MaxUploads: 4, WatchInterval: 20 * time.Millisecond, History: time.Hour,
		SweepInterval: time.Hour, ObjectGrace: 15 * time.Minute, OrphanGrace: 24 * time.Hour,
	}
}

func withBucket(c *Config, name string) *Config {
	c.Bucket = name
	return c
}

// openWith opens a backend and closes it at the end of the test.
func openWith(t testing.TB, c *Config, stateDir string) *backend {
	t.Helper()
	b, err := tryOpen(t, c, stateDir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpen(t testing.TB, c *Config, stateDir string) (*backend, error) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testLog{t, []string{c.SecretKey, c.ServiceRoleKey}}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := open(t.Context(), c, stateDir, log)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b.(*backend), nil
}

// testLog is the log of a test, in which no key may be.
type testLog struct {
	testing.TB
	secrets []string
}

func (l testLog) Write(p []byte) (int, error) {
	for _, secret := range l.secrets {
		if secret != "" && bytes.Contains(p, []byte(secret)) {
			l.Error("a key is in the log")
		}
	}
	l.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

func put(t testing.TB, s storage.Backend, key, value string, opts storage.PutOptions) storage.PutResult {
	t.Helper()
	res, err := s.Put(t.Context(), key, strings.NewReader(value), opts)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return res
}

func get(t testing.TB, s storage.Backend, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, storage.GetOptions{})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	value, err := r.Bytes()
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return string(value)
}

func diagnosticsOf(t testing.TB, err error) schema.Diagnostics {
	t.Helper()
	diags, ok := err.(schema.Diagnostics) //nolint:errorlint // as the SDK does
	if !ok {
		t.Fatalf("expected diagnostics; got %v", err)
	}
	return diags
}

func readDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
