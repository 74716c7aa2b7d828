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
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/host/registry"
	"github.com/p2p-ai-agents/stowage/host/routing"
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
	// Planners are those that custom policies may name.
	Planners map[string]routing.Planner
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
	registry *registry.Registry // of backends
	root     *registry.Registry // of the one store above them
	budget   *layer.Budget
	kinds    []routing.Kind

	resolving sync.Mutex // held while the configuration of a backend is resolved

	life context.Context //nolint:containedctx // of everything, from New to Stop
	end  context.CancelFunc
	work sync.WaitGroup

	starting sync.Mutex // held by Start, and by Stop after it
	stopOnce sync.Once
	stopErr  error

	repairs sync.WaitGroup // those under way; joined with mu held

	mu        sync.Mutex
	catalog   *catalog
	units     map[string]*unit
	known     []*config.Backend // of the configuration, and added since
	backends  []*backend        // those of them that are enabled
	policies  []policy          // children before parents
	repairing map[string]bool
	stopping  bool
	env       routing.Env
	journal   *journal.Journal // nil unless a policy needs it
	store     storage.Store
}

// New prepares a Manager. Nothing is launched, opened or written.
func New(opts Options) *Manager {
	m := &Manager{
		opts: opts, cfg: opts.Config, log: opts.Logger, listener: opts.Listener.WithDefaults(),
		kinds: routing.Kinds(), known: opts.Config.Backends, repairing: make(map[string]bool),
	}
	if m.log == nil {
		m.log = hclog.NewNullLogger()
	}
	m.scanner = discovery.New(discovery.Options{Dirs: m.cfg.Host.PluginDirs, Trust: opts.Trust})
	m.registry = registry.New(registry.Options{})
	m.root = registry.New(registry.Options{})
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
	err := m.untilStop(ctx, func(ctx context.Context) error {
		warnings, err := m.prepare(ctx)
		for _, d := range warnings {
			m.log.Warn(d.Summary, "detail", d.Detail, "where", d.Subject)
		}
		m.listener.ConfigLoaded(event.ConfigInfo{Path: m.cfg.Filename, Err: err})
		if err != nil {
			return err
		}
		return m.openAll(ctx)
	})
	if err != nil {
		return errors.Join(err, m.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// untilStop runs do with a context that also ends with Stop, which waits for it.
// Its error says so if Stop was called meanwhile.
func (m *Manager) untilStop(ctx context.Context, do func(ctx context.Context) error) error {
	m.starting.Lock()
	defer m.starting.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	err := context.Cause(m.life)
	if err == nil {
		err = do(ctx)
	}
	if m.life.Err() != nil {
		return errors.New("the host was closed while it started")
	}
	return err
}

// Validate checks the configuration as Start would, launching plugins but
// opening no backend, and takes everything down again. Warnings are returned
// also without an error among them.
func (m *Manager) Validate(ctx context.Context) (hcl.Diagnostics, error) {
	var diags hcl.Diagnostics
	err := m.untilStop(ctx, func(ctx context.Context) (err error) {
		diags, err = m.prepare(ctx)
		return err
	})
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
	err := m.untilStop(ctx, m.scan)
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
	units := make(map[string]*unit)
	for _, b := range m.cfg.Backends {
		name := m.unitName(b)
		if !b.Enabled || units[name] != nil {
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
		units[name] = u
	}
	m.mu.Lock()
	m.units = units
	m.mu.Unlock()
	var wg sync.WaitGroup
	for name, u := range units {
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
	var backends []*backend
	for _, cfg := range m.cfg.Backends {
		if cfg.Enabled {
			backends = append(backends, m.newBackend(m.cfg, cfg))
		}
	}
	m.mu.Lock()
	m.backends = backends
	m.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range backends {
		cfg := b.config
		u := m.units[m.unitName(cfg)]
		if u == nil {
			launch := m.cfg.Plugin(cfg.Plugin)
			_, err := m.catalog.choose(cfg.Plugin, launch)
			b.fail(fmt.Sprintf("its plugin does not serve: %v", err), 0)
			b.announce()
			continue
		}
		b.version = u.source.description.Version
		wg.Go(func() { u.serve(ctx, b) })
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

// Stop takes everything down: operations under way end, policies are closed, each
// before its children, backends are drained and closed, processes end. ctx
// bounds the draining; ending the processes is bounded in itself. A Start
// under way is ended first. Stop is idempotent, needs no Start, and whoever
// calls it returns when everything is down.
func (m *Manager) Stop(ctx context.Context) error {
	m.end()
	m.starting.Lock()
	defer m.starting.Unlock()
	m.stopOnce.Do(func() { m.stopErr = m.stop(ctx) })
	return m.stopErr
}

func (m *Manager) stop(ctx context.Context) error {
	m.endRepairs()
	m.retireRoutes(ctx)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, u := range m.running() {
		wg.Go(func() {
			if err := u.stop(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("stopping plugin %s: %w", u.name, err))
			}
		})
	}
	wg.Wait()
	m.work.Wait()
	if m.journal != nil {
		errs = append(errs, m.journal.Close())
	}
	if m.run != nil {
		errs = append(errs, m.run.Close())
	}
	return errors.Join(errs...)
}

// Ready returns nil if every enabled backend was opened or found out of order,
// and at least one serves.
func (m *Manager) Ready() error {
	started := m.Store() != nil
	if m.life.Err() != nil {
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
