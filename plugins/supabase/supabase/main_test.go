package supabase

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shared is the database cluster of those tests that do not kill it.
var shared sharedCluster

type sharedCluster struct {
	once    sync.Once
	cluster *supabasetest.Cluster
	err     error
}

func (s *sharedCluster) get(t testing.TB) *supabasetest.Cluster {
	t.Helper()
	s.once.Do(func() {
		s.cluster, s.err = supabasetest.StartCluster(context.Background(), supabasetest.ClusterOptions{})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

func (s *sharedCluster) close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
