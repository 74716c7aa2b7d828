package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/internal/bench/stock"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// contestant is a way to store values. A value that get returns belongs to the
// caller.
type contestant struct {
	name  string
	get   func(ctx context.Context, key string) ([]byte, error)
	put   func(ctx context.Context, key string, value []byte) error
	close func(ctx context.Context) error
}

// The names of the contestants. Ratios are to stock.
const (
	nameStock   = "stock"
	nameBuiltin = "builtin"
	nameChild   = "child"
)

// openAll starts the contestants, stock first.
func openAll(ctx context.Context, dir, plugins string) ([]contestant, error) {
	var all []contestant
	for _, open := range []func() (contestant, error){
		openStock,
		func() (contestant, error) { return openHost(ctx, dir, plugins, nameBuiltin) },
		func() (contestant, error) { return openHost(ctx, dir, plugins, nameChild) },
	} {
		c, err := open()
		if err != nil {
			return nil, errors.Join(err, closeAll(ctx, all))
		}
		all = append(all, c)
	}
	return all, nil
}

func closeAll(ctx context.Context, all []contestant) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

func openStock() (contestant, error) {
	self, err := os.Executable()
	if err != nil {
		return contestant{}, err
	}
	p, err := stock.Launch(exec.Command(self, asStock))
	if err != nil {
		return contestant{}, fmt.Errorf("starting the stock plugin: %w", err)
	}
	return contestant{
		name: nameStock, get: p.Get, put: p.Put,
		close: func(context.Context) error { p.Close(); return nil },
	}, nil
}

// openHost starts a host with one backend, in memory, of the plugin local. All
// that a host does to an operation is measured: routes, layers, statistics.
func openHost(ctx context.Context, dir, plugins, transport string) (contestant, error) {
	path := filepath.Join(dir, transport+".hcl")
	config := fmt.Sprintf(`host {
  plugin_dirs = [%q]
  data_dir    = "./%s"
}

plugin "local" {
  transport = %q
}

backend "memory" {
  plugin = "local"
}
`, plugins, transport, transport)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return contestant{}, err
	}
	h, err := host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{local.Plugin()}})
	if err != nil {
		return contestant{}, err
	}
	err = h.Start(ctx)
	if err == nil {
		err = h.Ready()
	}
	if err != nil {
		return contestant{}, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
	}
	store := h.Store()
	return contestant{
		name: transport,
		get: func(ctx context.Context, key string) ([]byte, error) {
			r, err := store.Get(ctx, key, storage.GetOptions{})
			if err != nil {
				return nil, err
			}
			return r.Bytes()
		},
		put: func(ctx context.Context, key string, value []byte) error {
			_, err := store.Put(ctx, key, bytes.NewReader(value), storage.PutOptions{SizeHint: int64(len(value))})
			return err
		},
		close: h.Close,
	}, nil
}
