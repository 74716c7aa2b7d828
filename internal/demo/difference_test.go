package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestADifferenceIsFound(t *testing.T) {
	store := storage.Complete(local.OpenMemory(local.MemoryOptions{}))
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	dir := t.TempDir()
	for _, name := range []string{"altered", "same"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := scan(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{store: store, report: &report{}}
	for _, f := range files {
		if err := d.write(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "altered"), []byte("ALTERED"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := d.compare(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if d.report.verified != 2 || len(d.report.different) != 1 || d.report.different[0] != treePrefix+"altered" {
		t.Errorf("%d verified, different: %q", d.report.verified, d.report.different)
	}

	for name, test := range map[string]struct {
		files []file
		want  string
	}{
		"all are there": {files, ""},
		"one too few":   {append(files[:2:2], file{key: treePrefix + "z"}), `1 stored objects are not listed, "tree/z" among them`},
		"one too many":  {files[:1], `"tree/same" is listed and was never stored`},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := d.checkListing(t.Context(), test.files); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}
