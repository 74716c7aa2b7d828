package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/p2p-ai-agents/stowage/host/config"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestWrongConfigurations shows every file of testdata/wrong to both stages
// and compares what an operator would read. The files pretend to be in
// /etc/stowage, so that paths are the same on every machine.
func TestWrongConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.hcl")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d wrong configurations, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hcl")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, diags := config.Parse("/etc/stowage/config.hcl", src, options(t))
			if !diags.HasErrors() {
				diags = append(diags, c.Resolve(t.Context(), fakePlugins(t))...)
			}
			if len(diags) == 0 {
				t.Fatal("nothing is wrong")
			}
			got := config.FormatDiagnostics(diags)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			if text := diags.Error(); strings.Contains(text, "hunter2") {
				t.Errorf("a secret is in the error: %s", text)
			}
			golden := strings.TrimSuffix(file, ".hcl") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
