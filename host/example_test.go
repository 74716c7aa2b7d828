package host_test

import (
	"context"
	"errors"
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
// a configuration file give its path as Options.ConfigPath instead of Config.
func Example() {
	dir, err := os.MkdirTemp("", "stowage-example-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = embed(context.Background(), dir)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Hello, Stowage (text/plain)
	// notes/first: 14 bytes
	// get "notes/second" on backend "disk" (plugin local): not found
}

// embed runs a host over a directory, and stores, reads and lists with it.
func embed(ctx context.Context, dir string) (err error) {
	h, err := exampleHost(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	if err := h.Start(ctx); err != nil {
		return err
	}
	if err := h.Ready(); err != nil {
		return err
	}

	store := h.Store()
	_, err = store.Put(ctx, "notes/first", strings.NewReader("Hello, Stowage"), storage.PutOptions{ContentType: "text/plain"})
	if err != nil {
		return err
	}
	r, err := store.Get(ctx, "notes/first", storage.GetOptions{})
	if err != nil {
		return err
	}
	value, err := r.Bytes()
	if err != nil {
		return err
	}
	fmt.Printf("%s (%s)\n", value, r.Object.ContentType)

	page, err := store.List(ctx, storage.ListOptions{Prefix: "notes/"})
	if err != nil {
		return err
	}
	for _, o := range page.Objects {
		fmt.Printf("%s: %d bytes\n", o.Key, o.Size)
	}

	if _, err := store.Get(ctx, "notes/second", storage.GetOptions{}); errors.Is(err, storage.ErrNotFound) {
		fmt.Println(err)
	}
	return nil
}

func exampleHost(dir string) (*host.Host, error) {
	opts, err := host.ConfigOptions()
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Parse(filepath.Join(dir, "config.hcl"), []byte(`
		host { plugin_dirs = [] }

		backend "disk" {
		  plugin = "local"
		  config { path = "./objects" }
		}
	`), opts)
	if diags.HasErrors() {
		return nil, errors.New(config.FormatDiagnostics(diags))
	}
	return host.New(host.Options{
		Config:   cfg,
		Builtins: []sdk.Plugin{local.Plugin()},
		Logger:   host.SlogLogger(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}
