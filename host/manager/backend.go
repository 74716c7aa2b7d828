package manager

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/host/registry"
	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// backend is a configured backend: what it is opened with, and the store that
// stands for it whether it serves or not.
type backend struct {
	manager *Manager
	name    string
	source  *config.Config // of config
	config  *config.Backend
	plugin  string
	version string
	breaker *layer.Breaker
	store   storage.Store

	// life ends when the backend is removed, or with the manager.
	life context.Context //nolint:containedctx // of the attempts to open it
	end  context.CancelFunc

	mu      sync.Mutex
	serving bool
	reason  string // why not
}

// newBackend wraps the registry's handle of b, which is one of source, in the
// layers it is configured with.
func (m *Manager) newBackend(source *config.Config, b *config.Backend) *backend {
	out := &backend{manager: m, name: b.Name, source: source, config: b, plugin: b.Plugin}
	out.life, out.end = context.WithCancel(m.life)
	out.breaker = layer.NewBreaker(layer.BreakerOptions{
		Backend: b.Name, Listener: m.listener,
		Failures: uint(b.Breaker.Failures), Window: uint(b.Breaker.Window), OpenFor: b.Breaker.OpenFor,
	})
	out.store = layer.Stack(layer.StackOptions{
		Backend: b.Name, Plugin: b.Plugin, Listener: m.listener, Budget: m.budget, Breaker: out.breaker,
		Timeout: layer.TimeoutOptions{Attempt: b.Timeout},
		Retry:   layer.RetryOptions{MaxAttempts: b.Retry.MaxAttempts, BaseDelay: b.Retry.Delay, MaxDelay: b.Retry.MaxDelay},
	})(m.registry.Handle(b.Name))
	out.manager.registry.Fail(b.Name, "it is being opened", restartHint)
	return out
}

// open opens the backend on a plugin.
func (b *backend) open(ctx context.Context, plugin wire.Plugin) (storage.Store, error) {
	values, err := b.values(ctx)
	if err != nil {
		return nil, err
	}
	state := filepath.Join(b.manager.cfg.Host.DataDir, "state", b.name)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	store, diags, err := plugin.Open(ctx, wire.OpenRequest{ID: b.name, Name: b.name, Config: values, StateDir: state})
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("its configuration was refused: %w", diags)
	}
	return store, nil
}

// values returns the configuration in JSON. One that could not be resolved when
// the host started, because the plugin did not answer, is resolved now.
func (b *backend) values(ctx context.Context) ([]byte, error) {
	b.manager.resolving.Lock()
	defer b.manager.resolving.Unlock()
	if b.config.Unresolved != nil {
		diags := b.source.ResolveBackend(ctx, describer{b.manager}, b.config)
		if diags.HasErrors() {
			return nil, Diagnostics{diags}
		}
		if b.config.Unresolved != nil {
			return nil, b.config.Unresolved
		}
	}
	return b.config.Schema.MarshalValue(b.config.Value)
}

// serve puts the backend into service.
func (b *backend) serve(store storage.Store) {
	b.manager.registry.Swap(b.name, store, registry.Meta{Plugin: b.plugin, Version: b.version})
	b.breaker.Reset()
	b.set("", true)
}

// fail takes the backend out of service. Its store is not closed: the process
// behind it is gone, or never served it.
func (b *backend) fail(reason string, retryAfter time.Duration) {
	b.manager.registry.Fail(b.name, reason, retryAfter)
	b.set(reason, false)
}

func (b *backend) set(reason string, serving bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason, b.serving = reason, serving
}

// announce tells listeners what was last decided. No lock is held.
func (b *backend) announce() {
	b.mu.Lock()
	info := event.BackendInfo{Backend: b.name, Plugin: b.plugin, Serving: b.serving, Reason: b.reason}
	b.mu.Unlock()
	b.manager.listener.Backend(info)
}

func (b *backend) state() (serving bool, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serving, b.reason
}

// retire takes the backend out of service for good, for reason: operations under
// way end first, as far as ctx allows, then it is closed.
func (b *backend) retire(ctx context.Context, reason string) {
	b.end()
	old := b.manager.registry.Fail(b.name, reason, 0)
	if old == nil {
		return
	}
	began := time.Now()
	err := old.Drain(ctx)
	b.manager.listener.Drain(event.DrainInfo{Backend: b.name, Generation: old.Number(), Duration: time.Since(began), Leases: old.Leases()})
	if err != nil {
		b.manager.log.Warn("a backend is closed under its last operations", "backend", b.name, "error", err)
	}
	b.manager.closeStore(ctx, b.name, old.Store())
}

// closeStore closes a store that nobody uses any more, also when ctx has ended.
func (m *Manager) closeStore(ctx context.Context, name string, store storage.Store) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wire.DefaultShutdownGrace)
	defer cancel()
	if err := store.Close(ctx); err != nil {
		m.log.Warn("closing a backend", "backend", name, "error", err)
	}
}
