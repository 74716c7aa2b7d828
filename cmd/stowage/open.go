package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/api"
	"github.com/p2p-ai-agents/stowage/host/api/client"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/plugins/memory/memory"
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
	return host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{local.Plugin(), memory.Plugin()}, Logger: log})
}

// logger writes to standard error with -v, and nowhere without.
func (a *app) logger() hclog.Logger {
	if !a.verbose {
		return nil
	}
	return hclog.New(&hclog.LoggerOptions{Name: "stowage", Level: hclog.Debug, Output: a.stderr})
}

// chooseHost lets a flag beat the environment's variable of the other.
func (a *app) chooseHost(cmd *cobra.Command) error {
	addr, configPath := cmd.Flags().Changed("addr"), cmd.Flags().Changed("config")
	switch {
	case addr && configPath:
		return usagef("--addr and --config exclude each other")
	case addr:
		a.configPath = ""
	case configPath:
		a.addr = ""
	}
	return nil
}

// remote reports whether object commands go to a running host.
func (a *app) remote() bool {
	if a.addr != "" || a.configPath != "" {
		return a.addr != ""
	}
	_, err := os.Stat(defaultConfig)
	return errors.Is(err, os.ErrNotExist)
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
	if a.remote() {
		c, err := a.client()
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, c.Store()), c.Close(ctx))
	}
	return a.withHost(ctx, func(ctx context.Context, h *host.Host) error { return do(ctx, h.Store()) })
}

// withHost runs do with a host in this process.
func (a *app) withHost(ctx context.Context, do func(ctx context.Context, h *host.Host) error) error {
	h, err := a.newHost(a.logger())
	if err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return suggestAddr(ctx, err, h.Config().Host.Listen)
	}
	err = do(ctx, h)
	if errors.Is(err, storage.ErrUnavailable) {
		err = suggestAddr(ctx, err, h.Config().Host.Listen)
	}
	return errors.Join(err, h.Close(context.WithoutCancel(ctx)))
}

// suggestAddr extends an error of a host in this process if another one seems
// to run with the same configuration, and so to hold what this one needs.
func suggestAddr(ctx context.Context, err error, listen string) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, dialErr := dialer.DialContext(ctx, "tcp", listen)
	if dialErr != nil {
		return err
	}
	return errors.Join(err, conn.Close(), fmt.Errorf("a host seems to run with this configuration; talk to it with --addr %s", listen))
}

// printJSON writes v as an indented document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeLine writes v as a document of one line.
func writeLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
