package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/registry"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// NewBackend describes a backend that joins a running host. What it does not say
// has the default of a backend block.
type NewBackend struct {
	Name     string
	Plugin   string
	Priority int
	// Config is what the block config { … } would hold, in HCL.
	Config string
}

// AddBackend opens a backend and, where the configuration has no routes, lets
// operations go to it by its priority. It returns when the backend serves; after
// an error nothing has changed. A name that is taken is FailedPrecondition, a
// configuration that is wrong or a plugin that is not there InvalidArgument.
func (m *Manager) AddBackend(ctx context.Context, spec NewBackend) error {
	err := m.whileRunning(ctx, func(ctx context.Context) error { return m.addBackend(ctx, spec) })
	return storage.Annotate(err, "add backend", spec.Name)
}

// RemoveBackend takes a backend out of service for good. Operations that use it
// end first, as far as ctx and the drain timeout of the configuration allow. A
// backend that a policy or route refers to, or the last one, stays and the error
// is FailedPrecondition; one that is not there is NotFound.
func (m *Manager) RemoveBackend(ctx context.Context, name string) error {
	err := m.whileRunning(ctx, func(ctx context.Context) error { return m.removeBackend(ctx, name) })
	return storage.Annotate(err, "remove backend", name)
}

// whileRunning runs do between Start and Stop, and one such change at a time.
func (m *Manager) whileRunning(ctx context.Context, do func(ctx context.Context) error) error {
	if m.Store() == nil {
		return storage.Errorf(storage.CodeUnavailable, "the host is not running")
	}
	err := m.untilStop(ctx, do)
	if m.life.Err() != nil {
		return storage.Errorf(storage.CodeUnavailable, "the host is shutting down")
	}
	return err
}

func (m *Manager) addBackend(ctx context.Context, spec NewBackend) error {
	if slices.ContainsFunc(m.knownBackends(), func(b *config.Backend) bool { return b.Name == spec.Name }) {
		return storage.Errorf(storage.CodeFailedPrecondition, "there is already a backend named %q", spec.Name)
	}
	source, diags := m.cfg.WithBackend(spec.Name, spec.Plugin, spec.Priority, spec.Config)
	if diags.HasErrors() {
		return storage.Errorf(storage.CodeInvalidArgument, "%w", Diagnostics{diags})
	}
	cfg := source.Backends[0]
	u, err := m.unitFor(ctx, cfg)
	if err != nil {
		return err
	}
	b, err := m.openAdded(ctx, source, u)
	if err != nil {
		m.stopIdle(ctx, u)
		return err
	}
	m.mu.Lock()
	m.known = append(slices.Clone(m.known), cfg)
	m.backends = append(slices.Clone(m.backends), b)
	m.mu.Unlock()
	if old := m.replaceDefault(m.backends); old != nil {
		m.work.Go(func() { m.closeReplaced(m.life, old) })
	}
	return nil
}

// unitFor returns the instance that serves cfg, and starts it if there is none.
func (m *Manager) unitFor(ctx context.Context, cfg *config.Backend) (*unit, error) {
	name := m.unitName(cfg)
	if u := m.unit(name); u != nil {
		return u, nil
	}
	launch := m.cfg.Plugin(cfg.Plugin)
	src, err := m.catalog.choose(cfg.Plugin, launch)
	if err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "its plugin does not serve: %w; known plugins: %s", err, strings.Join(m.catalog.names(), ", "))
	}
	u, err := m.newUnit(name, src, launch)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.units[name] = u
	m.mu.Unlock()
	if err := u.start(ctx); err != nil {
		m.stopIdle(ctx, u)
		return nil, storage.Errorf(storage.CodeUnavailable, "its plugin does not start: %w", err)
	}
	return u, nil
}

// openAdded opens the only backend of source, once.
func (m *Manager) openAdded(ctx context.Context, source *config.Config, u *unit) (*backend, error) {
	cfg := source.Backends[0]
	m.resolving.Lock()
	diags := source.ResolveBackend(ctx, describer{m}, cfg)
	m.resolving.Unlock()
	switch {
	case diags.HasErrors():
		return nil, storage.Errorf(storage.CodeInvalidArgument, "%w", Diagnostics{diags})
	case cfg.Unresolved != nil:
		return nil, storage.Errorf(storage.CodeUnavailable, "its plugin did not check its configuration: %w", cfg.Unresolved)
	}
	b := m.newBackend(source, cfg)
	b.version = u.source.description.Version
	u.serve(ctx, b)
	serving, reason := b.state()
	if serving {
		return b, nil
	}
	u.drop(b)
	b.retire(ctx, "it could not be opened")
	m.registry.Remove(b.name)
	if err := ctx.Err(); err != nil {
		return nil, storage.AsError(err)
	}
	return nil, storage.Errorf(storage.CodeUnavailable, "it cannot be opened: %s", reason)
}

func (m *Manager) removeBackend(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, max(m.cfg.Host.DrainTimeout, time.Millisecond))
	defer cancel()
	at := slices.IndexFunc(m.known, func(b *config.Backend) bool { return b.Name == name })
	if at < 0 {
		return storage.Errorf(storage.CodeNotFound, "there is no backend named %q", name)
	}
	if by := m.referrers("backend." + name); len(by) > 0 {
		return storage.Errorf(storage.CodeFailedPrecondition, "%s refers to it: take it out of the configuration first", strings.Join(by, ", "))
	}
	rest := slices.Clone(m.backends)
	var b *backend
	if i := slices.IndexFunc(rest, func(b *backend) bool { return b.name == name }); i >= 0 {
		b = rest[i]
		rest = slices.Delete(rest, i, i+1)
	}
	if b != nil && len(rest) == 0 {
		return storage.Errorf(storage.CodeFailedPrecondition, "it is the only backend that is enabled")
	}
	m.mu.Lock()
	m.known = slices.Delete(slices.Clone(m.known), at, at+1)
	m.backends = rest
	m.mu.Unlock()
	if b == nil {
		return nil // it was not enabled
	}
	if old := m.replaceDefault(rest); old != nil {
		m.closeReplaced(ctx, old)
	}
	u := m.unit(m.unitName(b.config))
	if u != nil {
		u.drop(b)
	}
	b.retire(ctx, "it was removed")
	m.registry.Remove(name)
	m.listener.Backend(event.BackendInfo{Backend: name, Plugin: b.plugin, Reason: "it was removed"})
	m.stopIdle(ctx, u)
	return nil
}

// referrers are the policies and routes that name ref.
func (m *Manager) referrers(ref string) []string {
	var by []string
	for _, p := range m.cfg.Policies {
		if slices.Contains(p.Refs, ref) {
			by = append(by, "policy."+p.Name)
		}
	}
	for _, r := range m.cfg.Routes {
		if r.To == ref {
			by = append(by, fmt.Sprintf("route %q", r.Prefix))
		}
	}
	return by
}

// replaceDefault puts backends into the place of those that operations go to
// where there are no routes, and returns what has to be closed.
func (m *Manager) replaceDefault(backends []*backend) *registry.Generation {
	if len(m.cfg.Routes) > 0 {
		return nil
	}
	store, err := routing.Default(children(backends), m.env)
	if err != nil {
		m.log.Error("the backends cannot be used together", "error", err) // they could before, and none has joined under a name that is taken
		return nil
	}
	return m.root.Swap(root, store, registry.Meta{})
}

func (m *Manager) closeReplaced(ctx context.Context, old *registry.Generation) {
	if err := old.Drain(ctx); err != nil {
		m.log.Warn("operations of before a change of the backends go on", "error", err)
	}
	m.closePolicy(ctx, "of the routes", old.Store())
}

// stopIdle ends an instance that serves no backend.
func (m *Manager) stopIdle(ctx context.Context, u *unit) {
	if u == nil || !u.idle() {
		return
	}
	m.mu.Lock()
	delete(m.units, u.name)
	m.mu.Unlock()
	if err := u.stop(ctx); err != nil {
		m.log.Warn("stopping a plugin that serves no backend", "plugin", u.name, "error", err)
	}
}

// knownBackends are those of the configuration, with what was added and removed
// since.
func (m *Manager) knownBackends() []*config.Backend {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.known)
}

func (m *Manager) unit(name string) *unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.units[name]
}
