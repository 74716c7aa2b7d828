package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

var errDraining = errors.New("the host is shutting down")

// Server serves the API of one host on one listener. Its methods are safe for
// concurrent use.
type Server struct {
	opts        Options
	gate        *gate
	connections *connections
	http        *http.Server
	// cut ends the context of every request.
	cut  context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	listener net.Listener
	stopped  bool
}

// New returns a Server for host without side effects: it listens from Start
// on. It refuses options that would expose the host.
func New(host Host, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		opts:        opts,
		gate:        newGate(opts.MaxRequests),
		connections: newConnections(opts.MaxConnections),
		done:        make(chan struct{}),
	}
	base, cut := context.WithCancel(context.Background())
	s.cut = cut
	s.http = &http.Server{
		Handler: &handler{
			host: host, opts: opts, gate: s.gate, connections: s.connections, guard: newGuard(opts),
			buffers: &sync.Pool{New: func() any { return new([bufferSize]byte) }},
		},
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    opts.TLS,
		ReadHeaderTimeout:            opts.HeaderTimeout,
		IdleTimeout:                  opts.IdleTimeout,
		MaxHeaderBytes:               opts.MaxHeaderBytes,
		ErrorLog:                     opts.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  s.connections.add,
		ConnState:                    s.connections.changed,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 128,
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
		},
	}
	return s, nil
}

// Start listens and serves in the background until Shutdown. ctx covers the
// start only. It works once.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.listener != nil {
		return errors.New("the HTTP front was started before")
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("start the HTTP front: %w", err)
	}
	if err := s.opts.checkBound(listener.Addr()); err != nil {
		_ = listener.Close()
		return err
	}
	s.listener = listener
	go s.serve(listener)
	return nil
}

func (s *Server) serve(listener net.Listener) {
	defer close(s.done)
	defer listener.Close() // Serve has closed it already, unless it refused to begin
	var err error
	if s.opts.TLS != nil {
		err = s.http.ServeTLS(listener, "", "")
	} else {
		err = s.http.Serve(explainingListener{listener})
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.opts.Logger.Error("the HTTP front stopped serving", "address", listener.Addr().String(), "error", err)
	}
}

// Addr is the address listened on; nil before Start.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Done is closed when a started Server no longer accepts connections: after
// Shutdown, or because the listener failed, which is logged.
func (s *Server) Done() <-chan struct{} { return s.done }

// cutGrace is how long Shutdown waits for requests that were cut off.
const cutGrace = 2 * time.Second

// Shutdown drains and stops. New object requests are refused with 503 and
// /readyz fails from now on; when the running requests have ended, the
// listener is closed. When ctx ends first, the rest is cut off, and the error
// says so. Shutdown is idempotent, and works without Start.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	started := s.listener != nil
	s.stopped = true
	s.mu.Unlock()
	defer s.cut()

	s.http.SetKeepAlivesEnabled(false)
	empty := s.gate.drain()
	select {
	case <-empty:
	case <-ctx.Done():
	}
	s.connections.closeQuiet()
	running := s.gate.count()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.cut()
		_ = s.http.Close()
		err = fmt.Errorf("stop the HTTP front: running requests that were cut off: %d: %w", running, err)
	}
	if started {
		<-s.done
	}
	grace := time.NewTimer(cutGrace)
	defer grace.Stop()
	select {
	case <-empty:
	case <-grace.C:
		s.opts.Logger.Warn("requests that were cut off still run", "requests", s.gate.count())
	}
	return err
}
