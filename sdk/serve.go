package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// Serve runs the plugin for the host that started the process. It returns when
// the host has ended the connection, after all backends were closed; main has
// nothing left to do. In a process that no host started it says what the binary
// is and exits with status 2.
//
// Serve makes the logger that writes to the host's log the default of log/slog.
func Serve(p Plugin) {
	handshake := wire.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		introduce(os.Stderr, p)
		os.Exit(2)
	}
	// Once the host is gone, what a backend logs while it closes must not end
	// the process first: a write to the broken standard error would.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) //nolint:forbidigo // Serve is the plugin's main
	log := newLogger(os.Stderr)
	slog.SetDefault(log)
	inner, err := InProcess(p, log)
	if err != nil {
		log.Error(err.Error())
		os.Exit(1)
	}
	server := wire.NewServer(inner, log)
	var once sync.Once
	stop := func() {
		once.Do(func() {
			if err := server.Stop(context.Background(), wire.DefaultShutdownGrace); err != nil {
				log.Error("closing the backends", "error", err)
			}
		})
	}
	if os.Getenv(wire.DeathPipeEnv) != "" {
		go exitWithHost(os.Stdin, stop)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: wire.ServerPlugins(server),
		GRPCServer:       wire.NewGRPCServer,
		Logger:           hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
	stop()
}

// exitWithHost ends the process when the host's end of the pipe on standard
// input is closed, as it is when the host dies in whatever way.
func exitWithHost(stdin io.Reader, stop func()) {
	_, _ = io.Copy(io.Discard, stdin)
	timer := time.AfterFunc(wire.DefaultShutdownGrace, func() { os.Exit(1) })
	defer timer.Stop()
	stop()
	os.Exit(0)
}

// introduce tells a person who started the binary by hand what it is.
func introduce(w io.Writer, p Plugin) {
	fmt.Fprintf(w, "%s %s is a storage plugin for Stowage, not a program of its own.\n", p.Name, p.Version)
	if p.Description != "" {
		fmt.Fprintln(w, p.Description)
	}
	fmt.Fprintf(w, "Copy it as stowage-plugin-%s into a folder that plugin_dirs names; 'stowage plugin inspect %s' then shows its configuration.\n", p.Name, p.Name)
	if err := p.Check(); err != nil {
		fmt.Fprintf(w, "No host will load it:\n%v\n", err)
	}
}
