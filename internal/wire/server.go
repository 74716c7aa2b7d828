package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/p2p-ai-agents/stowage/internal/turn"
	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Server serves a Plugin: its control operations, and the storage operations
// of the backends it opened.
type Server struct {
	pluginv1.UnimplementedPluginServer
	storagev1.UnimplementedStorageServer

	plugin Plugin
	log    *slog.Logger

	mu       sync.Mutex
	backends map[string]*servedBackend
	stopped  bool
}

// servedBackend is a backend under its id. While it is being opened, store is
// nil.
type servedBackend struct {
	opened chan struct{} // closed when opening ended
	store  storage.Store
	// order lets one write at a time commit to a key. A write takes its key
	// before its commit can begin and checks afterwards whether its caller is
	// still there: gRPC delivers a cancellation before any later call of the
	// same connection, so a write that was given up either commits before its
	// successor is let in, or not at all.
	order turn.Keys
	// probing is set while a health check is under way, so that a backend
	// which hangs in one is not asked again.
	probing atomic.Bool
}

// NewServer returns a Server of p. What panics inside p's backends is logged to
// log.
func NewServer(p Plugin, log *slog.Logger) *Server {
	return &Server{plugin: p, log: log, backends: make(map[string]*servedBackend)}
}

// Register adds the server's services to g.
func (s *Server) Register(g *grpc.Server) {
	pluginv1.RegisterPluginServer(g, s)
	storagev1.RegisterStorageServer(g, s)
}

// Describe implements the control service.
func (s *Server) Describe(ctx context.Context, _ *pluginv1.DescribeRequest) (_ *pluginv1.DescribeResponse, err error) {
	defer func() { err = statusFromError(err) }()
	defer recovered(s.log, "describe", "", false, &err)
	d, err := s.plugin.Describe(ctx)
	if err != nil {
		return nil, err
	}
	return descriptionToProto(d)
}

// Validate implements the control service.
func (s *Server) Validate(ctx context.Context, req *pluginv1.ValidateRequest) (_ *pluginv1.ValidateResponse, err error) {
	defer func() { err = statusFromError(err) }()
	defer recovered(s.log, "validate", "", false, &err)
	if err := checkConfig(req.GetConfigJson()); err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "%w", err)
	}
	diags, err := s.plugin.Validate(ctx, req.GetName(), req.GetConfigJson())
	if err != nil {
		return nil, err
	}
	return &pluginv1.ValidateResponse{Diagnostics: diagnosticsToProto(diags)}, nil
}

// Open implements the control service.
func (s *Server) Open(ctx context.Context, req *pluginv1.OpenRequest) (_ *pluginv1.OpenResponse, err error) {
	defer func() { err = statusFromError(err) }()
	defer recovered(s.log, "open", "", false, &err)
	if err := checkConfig(req.GetConfigJson()); err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "%w", err)
	}
	b := &servedBackend{opened: make(chan struct{})}
	earlier, err := s.reserve(req.GetId(), b)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		return earlier.response(ctx)
	}
	defer close(b.opened)
	defer func() {
		if b.store == nil {
			s.forget(req.GetId(), b)
		}
	}()
	store, diags, err := s.plugin.Open(ctx, OpenRequest{ID: req.GetId(), Name: req.GetName(), Config: req.GetConfigJson(), StateDir: req.GetStateDir()})
	if err != nil || diags.HasErrors() {
		return &pluginv1.OpenResponse{Diagnostics: diagnosticsToProto(diags)}, err
	}
	if err := s.admit(ctx, b, store); err != nil {
		return nil, errors.Join(err, store.Close(context.WithoutCancel(ctx)))
	}
	return &pluginv1.OpenResponse{Diagnostics: diagnosticsToProto(diags), Capabilities: capabilitiesToProto(store.Capabilities())}, nil
}

// admit lets b be used, unless nobody is left who would use it.
func (s *Server) admit(ctx context.Context, b *servedBackend, store storage.Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopping()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.store = store
	return nil
}

// reserve enters b under id, or returns what is there already.
func (s *Server) reserve(id string, b *servedBackend) (earlier *servedBackend, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errStopping()
	}
	if earlier := s.backends[id]; earlier != nil {
		return earlier, nil
	}
	s.backends[id] = b
	return nil, nil
}

func (s *Server) forget(id string, b *servedBackend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backends[id] == b {
		delete(s.backends, id)
	}
}

// response answers a repeated Open.
func (b *servedBackend) response(ctx context.Context) (*pluginv1.OpenResponse, error) {
	select {
	case <-b.opened:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.store == nil {
		return nil, storage.Errorf(storage.CodeUnavailable, "opening the backend has just failed")
	}
	return &pluginv1.OpenResponse{Capabilities: capabilitiesToProto(b.store.Capabilities())}, nil
}

func errStopping() error {
	return storage.Errorf(storage.CodeUnavailable, "the plugin is shutting down")
}

// backend returns the open backend of that id.
func (s *Server) backend(id string) (*servedBackend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.backends[id]; b != nil && b.store != nil {
		return b, nil
	}
	return nil, storage.Errorf(storage.CodeUnavailable, "the plugin has no open backend with the id %q", id)
}

// CloseBackend implements the control service.
func (s *Server) CloseBackend(ctx context.Context, req *pluginv1.CloseBackendRequest) (_ *pluginv1.CloseBackendResponse, err error) {
	defer func() { err = statusFromError(err) }()
	s.mu.Lock()
	b := s.backends[req.GetId()]
	s.mu.Unlock()
	if b == nil {
		return &pluginv1.CloseBackendResponse{}, nil
	}
	select {
	case <-b.opened:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.store != nil {
		if err := b.store.Close(ctx); err != nil {
			return nil, err
		}
		s.forget(req.GetId(), b)
	}
	return &pluginv1.CloseBackendResponse{}, nil
}

func (s *Server) open() map[string]*servedBackend {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make(map[string]*servedBackend, len(s.backends))
	for id, b := range s.backends {
		if b.store != nil {
			open[id] = b
		}
	}
	return open
}

// Shutdown implements the control service.
func (s *Server) Shutdown(ctx context.Context, req *pluginv1.ShutdownRequest) (*pluginv1.ShutdownResponse, error) {
	grace := DefaultShutdownGrace
	if req.GetGrace() != nil {
		grace = req.GetGrace().AsDuration()
	}
	if err := s.Stop(ctx, grace); err != nil {
		return nil, statusFromError(err)
	}
	return &pluginv1.ShutdownResponse{}, nil
}

// Stop closes all backends, in parallel and within grace, and opens no more.
// It is idempotent.
func (s *Server) Stop(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for id, b := range s.open() {
		wg.Go(func() {
			if err := b.store.Close(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("closing backend %q: %w", id, err))
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return errors.Join(errs...)
	case <-ctx.Done():
		return storage.Errorf(storage.CodeDeadlineExceeded, "backends were still closing after %v", grace)
	}
}
