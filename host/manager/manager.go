package manager

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/discovery"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/host/registry"
	"github.com/p2p-ai-agents/stowage/host/supervisor"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Options say what a Manager manages.
type Options struct {
	// Config was loaded, but not resolved, with [PolicySchemas].
	Config *config.Config
	// Builtins are the plugins linked into the program.
	Builtins []sdk.Plugin
	// Logger receives the host's log and that of its plugins. Nil: nothing.
	Logger hclog.Logger
	// Listener is told what happens.
	Listener event.Listener
	// Trust judges plugin binaries.
	Trust trust.Policy
}

// Manager runs one configuration. Start and Stop are called once each; all
// other methods are safe for concurrent use after Start.
type Manager struct {
	opts     Options
	cfg      *config.Config
	log      hclog.Logger
	listener event.Listener
	scanner  *discovery.Scanner
	binaries *trust.Store
	run      *supervisor.RunDir
	registry *registry.Registry
	budget   *layer.Budget

	resolving sync.Mutex // held while the configuration of a backend is resolved

	life context.Context //nolint:containedctx // that of background work, from New to Stop
	end  context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	catalog  *catalog
	units    map[string]*unit
	backends []*backend
	policies []PolicyStatus
	store    storage.Store
	stopping bool
}

// New prepares a Manager. Nothing is launched, opened or written.
func New(opts Options) *Manager {
	m := &Manager{opts: opts, cfg: opts.Config, log: opts.Logger, listener: opts.Listener.WithDefaults(), units: make(map[string]*unit)}
	if m.log == nil {
		m.log = hclog.NewNullLogger()
	}
	m.scanner = discovery.New(discovery.Options{Dirs: m.cfg.Host.PluginDirs, Trust: opts.Trust})
	m.registry = registry.New(registry.Options{})
	m.budget = layer.NewBudget()
	m.life, m.end = context.WithCancel(context.Background())
	return m
}

// Diagnostics is the error of a configuration that cannot be used.
type Diagnostics struct{ hcl.Diagnostics }

// Start brings everything up and returns when every enabled backend serves or
// is known not to. Errors are those that concern the whole: a configuration
// that is wrong ([Diagnostics]), a data directory that cannot be used. What was
// begun is undone then.
func (m *Manager) Start(ctx context.Context) error {
	warnings, err := m.prepare(ctx)
	for _, d := range warnings {
		m.log.Warn(d.Summary, "detail", d.Detail, "where", d.Subject)
	}
	if err == nil {
		err = m.openAll(ctx)
	}
	if err != nil {
		return errors.Join(err, m.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// Validate checks the configuration as Start would, launching plugins but
// opening no backend, and takes everything down again. Warnings are returned
// also without an error among them.
func (m *Manager) Validate(ctx context.Context) (hcl.Diagnostics, error) {
	diags, err := m.prepare(ctx)
	err = errors.Join(err, m.Stop(context.WithoutCancel(ctx)))
	var wrong Diagnostics
	if errors.As(err, &wrong) {
		return wrong.Diagnostics, nil
	}
	return diags, err
}

// Inspect scans and describes the plugins, launching those never seen before,
// and takes everything down again. Plugins then tells the result.
func (m *Manager) Inspect(ctx context.Context) error {
	err := m.scan(ctx)
	return errors.Join(err, m.Stop(context.WithoutCancel(ctx)))
}

func (m *Manager) scan(ctx context.Context) error {
	if err := m.openDirs(); err != nil {
		return err
	}
	c, err := m.buildCatalog(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.catalog = c
	return nil
}

// prepare finds plugins, starts those that are configured, and resolves the
// configuration against them. The diagnostics it returns are warnings.
func (m *Manager) prepare(ctx context.Context) (hcl.Diagnostics, error) {
	if err := m.scan(ctx); err != nil {
		return nil, err
	}
	if err := m.startUnits(ctx); err != nil {
		return nil, err
	}
	diags := m.cfg.Resolve(ctx, describer{m})
	if diags.HasErrors() {
		return nil, Diagnostics{diags}
	}
	return diags, nil
}

func (m *Manager) openDirs() error {
	var err error
	if m.binaries, err = trust.OpenStore(filepath.Join(m.cfg.Host.DataDir, "binaries")); err != nil {
		return fmt.Errorf("data_dir %s: %w", m.cfg.Host.DataDir, err)
	}
	if m.run, err = supervisor.OpenRunDir(); err != nil {
		return fmt.Errorf("a private directory for sockets: %w", err)
	}
	return nil
}

func (m *Manager) processOptions(launch config.Plugin) supervisor.Options {
	return supervisor.Options{
		Store: m.binaries, Trust: m.opts.Trust, RunDir: m.run, Logger: m.log, Events: event.Listener{Process: m.listener.Process},
		AutoMTLS: launch.AutoMTLS, StartTimeout: launch.StartTimeout, ShutdownTimeout: launch.StopTimeout,
	}
}

// startUnits starts, in parallel, an instance of every plugin that an enabled
// backend names. One that fails stays in supervision.
func (m *Manager) startUnits(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, b := range m.cfg.Backends {
		name := m.unitName(b)
		if !b.Enabled || m.units[name] != nil {
			continue
		}
		launch := m.cfg.Plugin(b.Plugin)
		src, err := m.catalog.choose(b.Plugin, launch)
		if err != nil {
			continue // resolving the configuration or opening the backend says so
		}
		u, err := m.newUnit(name, src, launch)
		if err != nil {
			return err
		}
		m.units[name] = u
		wg.Go(func() {
			if err := u.start(ctx); err != nil {
				m.log.Error("a plugin does not start", "plugin", name, "error", err)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// unitName names the instance that serves b.
func (m *Manager) unitName(b *config.Backend) string {
	if m.cfg.Plugin(b.Plugin).Isolation == config.IsolationDedicated {
		return b.Plugin + "/" + b.Name
	}
	return b.Plugin
}

// openAll opens the enabled backends, in parallel, and builds policies and
// routes over them.
func (m *Manager) openAll(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, cfg := range m.cfg.Backends {
		if !cfg.Enabled {
			continue
		}
		b := m.newBackend(cfg)
		m.backends = append(m.backends, b)
		u := m.units[m.unitName(cfg)]
		if u == nil {
			launch := m.cfg.Plugin(cfg.Plugin)
			_, err := m.catalog.choose(cfg.Plugin, launch)
			b.fail(fmt.Sprintf("its plugin does not serve: %v", err), 0)
			continue
		}
		b.version = u.source.description.Version
		wg.Go(func() {
			u.serve(ctx, b)
			if !b.isSettled() {
				_, err := u.plugin()
				b.fail(fmt.Sprintf("its plugin does not run: %v", err), restartHint)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.buildRoutes()
}

// Store is the whole store: nil until Start has come so far.
func (m *Manager) Store() storage.Store {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store
}

// Stop takes everything down: backends are drained and closed, processes end.
// ctx bounds the draining; ending the processes is bounded in itself. Stop is
// idempotent and needs no Start.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.stopping = true
	units := m.units
	m.units = nil
	m.mu.Unlock()
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for name, u := range units {
		wg.Go(func() {
			if err := u.stop(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("stopping plugin %s: %w", name, err))
			}
		})
	}
	wg.Wait()
	m.end()
	m.work.Wait()
	if m.run != nil {
		errs = append(errs, m.run.Close())
	}
	return errors.Join(errs...)
}

// Ready returns nil if every enabled backend was opened or found out of order,
// and at least one serves.
func (m *Manager) Ready() error {
	m.mu.Lock()
	stopping, started := m.stopping, m.store != nil
	m.mu.Unlock()
	if stopping {
		return errors.New("the host is shutting down")
	}
	if !started {
		return errors.New("the host is starting")
	}
	serving := slices.ContainsFunc(m.registry.Status(), func(s registry.Status) bool { return s.Generation != 0 })
	if !serving {
		return errors.New("no backend serves")
	}
	return nil
}
