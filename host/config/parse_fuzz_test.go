package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/config"
)

// FuzzParse looks for files that make the loader panic, and for errors it
// cannot show.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/wrong/*.hcl")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/good.hcl") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("route \"\xff\" { to = backend.a }"))
	f.Add([]byte("host {\n listen = \"\u0301\t\x00\"\n}"))
	opts, describer := options(f), fakePlugins(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		c, diags := config.Parse("/nowhere/config.hcl", src, opts)
		if (c == nil) != diags.HasErrors() {
			t.Fatalf("config %v, diagnostics %v", c, diags)
		}
		if c != nil {
			diags = append(diags, c.Resolve(t.Context(), describer)...)
		}
		if len(diags) > 0 && config.FormatDiagnostics(diags) == "" {
			t.Fatal("diagnostics that show nothing")
		}
	})
}
