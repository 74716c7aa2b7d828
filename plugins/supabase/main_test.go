package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
)

// What all tests share: a database cluster, and a plugin folder with the
// binary of this package.
var (
	cluster *supabasetest.Cluster
	plugins string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	plugins, err = os.MkdirTemp("", "stowage-supabase-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(plugins)
	out, err := exec.Command("go", "build", "-o", filepath.Join(plugins, "stowage-plugin-supabase"), ".").CombinedOutput()
	if err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	cluster, err = supabasetest.StartCluster(context.Background(), supabasetest.ClusterOptions{})
	if err != nil {
		return 1, err
	}
	code = m.Run()
	return code, cluster.Close()
}
