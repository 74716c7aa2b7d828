package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// InProcess runs a plugin inside the calling process: what a host does with a
// plugin that is linked into it, and Serve with the one it serves. It fails if
// Check does. A nil log discards.
func InProcess(p Plugin, log *slog.Logger) (wire.Plugin, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("plugin %q is not well described: %w", p.Name, err)
	}
	config, err := p.schema()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &inProcess{plugin: p, config: config, log: log, open: make(map[string]storage.Store)}, nil
}

type inProcess struct {
	plugin Plugin
	config *schema.Schema
	log    *slog.Logger

	mu   sync.Mutex
	open map[string]storage.Store
}

func (p *inProcess) Describe(context.Context) (*wire.Description, error) {
	return &wire.Description{
		Name: p.plugin.Name, Version: p.plugin.Version, Description: p.plugin.Description,
		ProtocolMin: wire.ProtocolVersion, ProtocolMax: wire.ProtocolVersion, Config: p.config,
	}, nil
}

func (p *inProcess) Validate(ctx context.Context, _ string, config []byte) (diags schema.Diagnostics, err error) {
	defer p.contain("check its configuration", &err)
	_, diags, err = p.decode(ctx, config)
	return diags, err
}

// decode returns a pointer to the configuration struct, or nil if there is none.
func (p *inProcess) decode(ctx context.Context, config []byte) (any, schema.Diagnostics, error) {
	value, err := p.config.UnmarshalValue(config)
	if err != nil {
		return nil, nil, storage.Errorf(storage.CodeInvalidArgument, "the configuration does not fit the schema: %w", err)
	}
	value, diags := p.config.Validate(value)
	if diags.HasErrors() || p.plugin.Config == nil {
		return nil, diags, nil
	}
	into := p.plugin.newConfig()
	diags = append(diags, schema.Decode(value, into)...)
	if v, ok := into.(validator); ok && !diags.HasErrors() {
		diags = append(diags, v.Validate(ctx)...)
	}
	return into, diags, nil
}

func (p *inProcess) Open(ctx context.Context, req wire.OpenRequest) (_ storage.Store, diags schema.Diagnostics, err error) {
	defer p.contain("open the backend", &err)
	config, diags, err := p.decode(ctx, req.Config)
	if err != nil || diags.HasErrors() {
		return nil, diags, err
	}
	backend, err := p.openBackend(ctx, Instance{
		Name: req.Name, Config: config, Logger: p.log.With("backend", req.Name), StateDir: req.StateDir,
	})
	var complaints schema.Diagnostics
	if errors.As(err, &complaints) && complaints.HasErrors() {
		return nil, append(diags, complaints...), nil
	}
	if err != nil {
		return nil, diags, storage.Annotate(err, "open", "")
	}
	store := &openStore{Store: wire.Contain(storage.Complete(backend), p.log), plugin: p, id: req.ID}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[req.ID] = store
	return store, diags, nil
}

// contain turns a panic of the plugin's code into *err; deferred.
func (p *inProcess) contain(what string, err *error) {
	if r := recover(); r != nil {
		p.log.Error("the plugin panicked", "while", what, "panic", r, "stack", string(debug.Stack()))
		*err = storage.Errorf(storage.CodeInternal, "the plugin panicked when it had to %s: %v", what, r)
	}
}

func (p *inProcess) openBackend(ctx context.Context, in Instance) (storage.Backend, error) {
	b, err := p.plugin.Open(ctx, in)
	if err == nil && b == nil {
		err = storage.Errorf(storage.CodeInternal, "the plugin opened no backend")
	}
	return b, err
}

func (p *inProcess) Health(ctx context.Context) (map[string]error, error) {
	health := make(map[string]error)
	for id, store := range p.stores() {
		health[id] = store.CheckHealth(ctx)
	}
	return health, nil
}

func (p *inProcess) Shutdown(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	stores := p.stores()
	closed := make(chan error, len(stores))
	for _, store := range stores {
		go func() { closed <- store.Close(ctx) }()
	}
	var errs []error
	for range stores {
		select {
		case err := <-closed:
			errs = append(errs, err)
		case <-ctx.Done():
			return storage.Errorf(storage.CodeDeadlineExceeded, "backends were still closing after %v", grace)
		}
	}
	return errors.Join(errs...)
}

func (p *inProcess) stores() map[string]storage.Store {
	p.mu.Lock()
	defer p.mu.Unlock()
	stores := make(map[string]storage.Store, len(p.open))
	for id, store := range p.open {
		stores[id] = store
	}
	return stores
}

// openStore leaves the list of open backends when it is closed.
type openStore struct {
	storage.Store
	plugin *inProcess
	id     string
}

func (s *openStore) Close(ctx context.Context) error {
	err := s.Store.Close(ctx)
	if err != nil {
		return err
	}
	s.plugin.mu.Lock()
	defer s.plugin.mu.Unlock()
	if s.plugin.open[s.id] == s {
		delete(s.plugin.open, s.id)
	}
	return nil
}
