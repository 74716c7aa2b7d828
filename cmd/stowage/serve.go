package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/api"
	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Bounds of a shutdown, from the signal on: requests are drained, then
// everything is closed, so that the process is gone within 15 s.
const (
	maxRequestDrain = 8 * time.Second
	maxShutdown     = 13 * time.Second
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the host and serve its HTTP API until SIGTERM or SIGINT",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("addr") {
				return usagef("--addr is where a client looks for a host; this one listens where 'listen' of its configuration says")
			}
			return a.serve(cmd.Context())
		},
	}
}

func (a *app) serve(ctx context.Context) error {
	log := hclog.New(&hclog.LoggerOptions{Name: "stowage", Level: hclog.Info, Output: a.stderr, JSONFormat: !isTerminal(a.stderr)})
	h, err := a.newHost(log)
	if err != nil {
		return err
	}
	cfg := h.Config()
	log.SetLevel(hclog.LevelFromString(cfg.Host.LogLevel))
	opts, err := apiOptions(cfg, log)
	if err != nil {
		return err
	}
	server, err := api.New(front{h}, opts)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	log.Info("listening", "address", server.Addr().String(), "version", version, "config", cfg.Filename)
	err = h.Start(ctx)
	if err == nil {
		logState(log, h)
		select {
		case <-ctx.Done():
			log.Info("shutting down")
		case <-server.Done():
			err = errors.New("the listener failed")
		}
	} else if ctx.Err() != nil {
		err = nil
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxShutdown)
	defer cancel()
	drain, cancelDrain := context.WithTimeout(deadline, min(maxRequestDrain, max(cfg.Host.DrainTimeout, time.Millisecond)))
	defer cancelDrain()
	return errors.Join(err, ignoreDrain(log, server.Shutdown(drain)), h.Close(deadline))
}

// ignoreDrain logs that requests were cut off: the operator asked for the end.
func ignoreDrain(log hclog.Logger, err error) error {
	if err != nil {
		log.Warn("requests were cut off", "error", err)
	}
	return nil
}

func logState(log hclog.Logger, h *host.Host) {
	status := h.Status()
	for _, q := range status.Quarantined {
		log.Warn("not used", "path", q.Path, "reason", q.Reason)
	}
	for _, b := range status.Backends {
		log.Info("backend", "name", b.Name, "plugin", b.Plugin, "state", b.State, "reason", b.Reason)
	}
	if !status.Ready {
		log.Error("not ready", "reason", status.Reason)
		return
	}
	log.Info("ready")
}

// front gives the API what it needs of a host.
type front struct{ host *host.Host }

func (f front) Store() storage.Store  { return f.host.Store() }
func (f front) Status() any           { return f.host.Status() }
func (f front) Ready() error          { return f.host.Ready() }
func (f front) Metrics() http.Handler { return f.host.Metrics() }

// Repair implements api.Repairer.
func (f front) Repair(ctx context.Context, policy string, o api.RepairOptions, progress func(any)) (any, error) {
	return f.host.Repair(ctx, policy, host.RepairOptions{
		DryRun: o.DryRun, Restart: o.Restart, Verify: o.Verify, Rate: o.Rate,
		Progress: func(r host.RepairReport) { progress(r) },
	})
}

func apiOptions(cfg *config.Config, log hclog.Logger) (api.Options, error) {
	opts := api.Options{
		Listen: cfg.Host.Listen, Tokens: cfg.Host.Tokens, AllowedHosts: cfg.Host.AllowedHosts,
		MaxObjectSize: int64(cfg.Host.MaxObjectSize), Logger: log.Named("api"),
	}
	t := cfg.Host.TLS
	if t == nil {
		return opts, nil
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return opts, fmt.Errorf("host.tls: %w", err)
	}
	opts.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCAFile == "" {
		return opts, nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return opts, fmt.Errorf("host.tls.client_ca_file: %w", err)
	}
	opts.TLS.ClientCAs = x509.NewCertPool()
	if !opts.TLS.ClientCAs.AppendCertsFromPEM(pem) {
		return opts, fmt.Errorf("host.tls.client_ca_file: %s holds no certificate in PEM", t.ClientCAFile)
	}
	opts.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	return opts, nil
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
