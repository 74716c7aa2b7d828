package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/api"
	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const defaultConfig = "config.hcl"

// newHost prepares a host for the configuration at hand.
func (a *app) newHost(log hclog.Logger) (*host.Host, error) {
	path := a.configPath
	if path == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			path = defaultConfig
		}
	}
	return host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{local.Plugin()}, Logger: log})
}

// logger writes to standard error with -v, and nowhere without.
func (a *app) logger() hclog.Logger {
	if !a.verbose {
		return nil
	}
	return hclog.New(&hclog.LoggerOptions{Name: "stowage", Level: hclog.Debug, Output: a.stderr})
}

// remote reports whether the commands go to a running host.
func (a *app) remote() (bool, error) {
	if a.addr != "" && a.configPath != "" && os.Getenv("STOWAGE_CONFIG") == "" && os.Getenv("STOWAGE_ADDR") == "" {
		return false, usagef("--addr and --config exclude each other")
	}
	if a.addr != "" || a.configPath != "" {
		return a.addr != "", nil
	}
	_, err := os.Stat(defaultConfig)
	return errors.Is(err, os.ErrNotExist), nil
}

func (a *app) client() (*client.Client, error) {
	addr := a.addr
	if addr == "" {
		addr = api.DefaultListen
	}
	token := os.Getenv("STOWAGE_TOKEN")
	if a.token != "" {
		raw, err := os.ReadFile(a.token)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	return client.New(addr, client.Options{Token: token})
}

// withStore runs do with the store that the flags choose.
func (a *app) withStore(ctx context.Context, do func(ctx context.Context, s storage.Store) error) error {
	remote, err := a.remote()
	if err != nil {
		return err
	}
	if remote {
		c, err := a.client()
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, c.Store()), c.Close(ctx))
	}
	h, err := a.newHost(a.logger())
	if err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return err
	}
	err = do(ctx, h.Store())
	return errors.Join(err, h.Close(context.WithoutCancel(ctx)))
}

// printJSON writes v as an indented document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printLine writes v as one line.
func (a *app) printLine(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
