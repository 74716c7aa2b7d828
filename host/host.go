package host

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/host/manager"
	"github.com/p2p-ai-agents/stowage/host/metrics"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Options say what a Host runs. The zero value is a host with nothing but the
// Builtins it is given.
type Options struct {
	// ConfigPath names the configuration file. Empty: the configuration is
	// Config, or, if that is nil too, the default one, which has a single
	// backend "local" of the builtin plugin local, in memory.
	ConfigPath string
	// Config is a configuration that was loaded with [ConfigOptions]. The Host
	// resolves it and owns it from then on.
	Config *config.Config
	// Builtins are plugins linked into the program. A binary in a plugin folder
	// is preferred to a builtin of the same name.
	Builtins []sdk.Plugin
	// Logger receives the host's log and that of its plugins; see [SlogLogger]
	// for a log/slog handler. Nil: nothing is logged.
	Logger hclog.Logger
	// Listener is told what happens, beside the host's own statistics.
	Listener event.Listener
	// Trust judges plugin binaries. The zero value trusts root and the user of
	// this process.
	Trust trust.Policy
	// Planners are those that policies of the kind "custom" may name.
	Planners map[string]routing.Planner
	// DrainTimeout is how long Close waits for operations under way; 0 means
	// the drain_timeout of the configuration.
	DrainTimeout time.Duration
}

// Host runs plugins, backends and policies. Its methods are safe for concurrent
// use.
type Host struct {
	opts     Options
	manager  *manager.Manager
	recorder *metrics.Recorder
	started  time.Time

	mu    sync.Mutex
	state state
	store storage.Store
}

type state int

const (
	fresh state = iota
	running
	closed
)

// ConfigOptions are the options with which a configuration for a Host is
// loaded.
func ConfigOptions() (config.Options, error) {
	policies, err := manager.PolicySchemas()
	return config.Options{Policies: policies, CheckPolicy: manager.CheckPolicy}, err
}

// New loads the configuration and prepares a Host. Nothing is launched or
// opened yet. A configuration that does not load is a
// [Diagnostics] error.
func New(opts Options) (*Host, error) {
	cfg := opts.Config
	switch {
	case cfg != nil:
	case opts.ConfigPath != "":
		options, err := ConfigOptions()
		if err != nil {
			return nil, err
		}
		loaded, diags := config.Load(opts.ConfigPath, options)
		if diags.HasErrors() {
			return nil, manager.Diagnostics{Diagnostics: diags}
		}
		cfg = loaded
	default:
		dir, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		cfg = config.Default(dir)
	}
	if opts.DrainTimeout == 0 {
		opts.DrainTimeout = cfg.Host.DrainTimeout
	}
	opts.Config = cfg
	h := &Host{opts: opts, recorder: metrics.New(), started: time.Now()}
	h.manager = manager.New(manager.Options{
		Config: cfg, Builtins: opts.Builtins, Logger: opts.Logger, Trust: opts.Trust, Planners: opts.Planners,
		Listener: event.Combine(h.recorder.Listener(), opts.Listener),
	})
	h.recorder.ReadBacklogs(h.backlogs)
	return h, nil
}

// backlogs is what the statistics say of the debts of policies.
func (h *Host) backlogs() map[string][]metrics.Backlog {
	out := make(map[string][]metrics.Backlog)
	for policy, debts := range h.manager.Backlogs() {
		for _, b := range debts {
			out[policy] = append(out[policy], metrics.Backlog(b))
		}
	}
	return out
}

// Start launches plugins and opens backends. It returns when every enabled
// backend serves or is known not to; one that does not is no error, see
// [Host.Status] and [Host.Ready]. ctx covers starting only. After an error the
// host is closed.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	if h.state != fresh {
		h.mu.Unlock()
		return errors.New("a host can be started once")
	}
	h.state = running
	h.mu.Unlock()
	if err := h.manager.Start(ctx); err != nil {
		h.close()
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = layer.Reserved()(h.manager.Store())
	return nil
}

// Close drains operations under way, closes all backends and ends all plugin
// processes. ctx, and Options.DrainTimeout, bound the draining; what comes
// after is bounded in itself. Close is idempotent and needs no Start.
func (h *Host) Close(ctx context.Context) error {
	h.close()
	if h.opts.DrainTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.opts.DrainTimeout)
		defer cancel()
	}
	return h.manager.Stop(ctx)
}

// Config is the configuration the host runs. It must not be changed.
func (h *Host) Config() *config.Config { return h.opts.Config }

// Store is what the host stores in: all routes, policies and backends as one.
// It is never nil; before Start and after Close its operations fail with
// Unavailable. Closing it does nothing.
func (h *Host) Store() storage.Store { return &hostStore{h} }

// Ready returns nil if every enabled backend was opened or found out of order
// and at least one serves, else why not.
func (h *Host) Ready() error { return h.manager.Ready() }

// Stats returns the counts and latencies of all operations so far, what policies
// did, and what they owe their children now.
func (h *Host) Stats() metrics.Stats { return h.recorder.Snapshot() }

// Metrics serves the statistics as a Prometheus page.
func (h *Host) Metrics() http.Handler { return h.recorder.Handler() }

// Inspect scans the plugin folders and launches, for a moment, each plugin that
// was never seen before, so that Status and PluginSchema can tell about all of
// them. Use it instead of Start; the host is closed afterwards.
func (h *Host) Inspect(ctx context.Context) error {
	h.close()
	return h.manager.Inspect(ctx)
}

// Validate checks the configuration as Start does, against the plugins it
// names, without opening a backend. Use it instead of Start; the host is closed
// afterwards.
func (h *Host) Validate(ctx context.Context) (hcl.Diagnostics, error) {
	h.close()
	return h.manager.Validate(ctx)
}

// PluginSchema describes the configuration of a plugin, after Start or Inspect.
func (h *Host) PluginSchema(name string) (*schema.Schema, error) { return h.manager.Schema(name) }

func (h *Host) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = closed
}

// Diagnostics is the error of a configuration that cannot be used.
type Diagnostics = manager.Diagnostics
