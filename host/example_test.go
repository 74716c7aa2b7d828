package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A host inside a program, with a plugin that is linked in. Programs that have
// a configuration file give its path as Options.ConfigPath instead.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "stowage-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	cfg, diags := config.Parse(filepath.Join(dir, "config.hcl"), []byte(`
		host {
		  plugin_dirs = []
		}
		backend "disk" {
		  plugin = "local"
		  config { path = "./objects" }
		}
	`), host.ConfigOptions())
	if diags.HasErrors() {
		fmt.Print(config.FormatDiagnostics(diags))
		return
	}
	h, err := host.New(host.Options{
		Config:   cfg,
		Builtins: []sdk.Plugin{local.Plugin()},
		Logger:   host.SlogLogger(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close(ctx)
	if err := h.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	store := h.Store()
	_, err = store.Put(ctx, "notes/first", strings.NewReader("Hello, Stowage"), storage.PutOptions{ContentType: "text/plain"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := store.Get(ctx, "notes/first", storage.GetOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := r.Bytes()
	fmt.Printf("%s (%s), %v\n", value, r.Object.ContentType, err)

	page, err := store.List(ctx, storage.ListOptions{Prefix: "notes/"})
	for _, o := range page.Objects {
		fmt.Println(o.Key, o.Size)
	}
	fmt.Println(err)

	_, err = store.Get(ctx, "notes/second", storage.GetOptions{})
	fmt.Println(storage.CodeOf(err), err)

	fmt.Println(h.Close(ctx))
	// Output:
	// Hello, Stowage (text/plain), <nil>
	// notes/first 14
	// <nil>
	// NotFound get "notes/second" on backend "disk" (plugin local): not found
	// <nil>
}
