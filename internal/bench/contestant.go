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

// The names of contestants. Those of hosts are the transports of their plugin.
const (
	nameStock   = "stock"
	nameBuiltin = "builtin"
	nameChild   = "child"
)

// openAll starts contestants one after the other.
func openAll(opens ...func() (contestant, error)) ([]contestant, error) {
	var all []contestant
	for _, open := range opens {
		c, err := open()
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, c)
	}
	return all, nil
}

func closeAll(all []contestant) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.close(context.Background()))
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

// hosted is a backend that a host is started with.
type hosted struct {
	plugin    sdk.Plugin
	plugins   string // the directory with its binary
	transport string
	config    string // of the backend, in HCL
}

// inMemory is a backend of the plugin local.
func inMemory(plugins, transport string) hosted {
	return hosted{plugin: local.Plugin(), plugins: plugins, transport: transport}
}

// openHost starts a host with one backend, and keeps its files in dir. All that
// a host does to an operation is measured: routes, layers, statistics.
func openHost(ctx context.Context, dir string, b hosted) (contestant, error) {
	path := filepath.Join(dir, b.transport+".hcl")
	config := fmt.Sprintf(`host {
  plugin_dirs = [%q]
  data_dir    = "./%s"
}

plugin %q {
  transport = %q
}

backend "only" {
  plugin = %q
  config {
%s
  }
}
`, b.plugins, b.transport, b.plugin.Name, b.transport, b.plugin.Name, b.config)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return contestant{}, err
	}
	h, err := host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{b.plugin}})
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
		name: b.transport,
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
