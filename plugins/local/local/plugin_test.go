package local

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func TestPluginIsDescribedSoundly(t *testing.T) {
	if err := Plugin().Check(); err != nil {
		t.Fatal(err)
	}
}

func TestPathDecidesBetweenMemoryAndDisk(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "store")} {
		b, err := Plugin().Open(t.Context(), sdk.Instance{Config: &Config{Path: path}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if caps := b.Capabilities(); caps.Durable != (path != "") || caps.Exclusive != (path != "") {
			t.Errorf("path %q gives %+v", path, caps)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestComplaintAboutTheDirectoryNamesTheAttribute(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, "letter.txt"), "Dear Sir")
	_, err := Plugin().Open(t.Context(), sdk.Instance{Config: &Config{Path: path}, Logger: slog.New(slog.DiscardHandler)})
	var diags schema.Diagnostics
	if !errors.As(err, &diags) || len(diags) != 1 {
		t.Fatalf("got %v", err)
	}
	if got := diags[0].String(); !strings.HasPrefix(got, "path: The directory cannot be used: ") || !strings.Contains(got, "letter.txt") {
		t.Errorf("the complaint is %q", got)
	}
}
