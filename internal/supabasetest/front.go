package supabasetest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	restPath    = "/rest/v1/"
	storagePath = "/storage/v1/"
)

// listen opens the port and serves it until Close.
func (p *Project) listen(base context.Context) error {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.listener = newListener(inner)
	p.URL = "http://" + inner.Addr().String()
	p.http = &http.Server{
		Handler:           p.handler(base),
		ReadHeaderTimeout: time.Minute,
		ConnContext:       withConnection,
		// What it says is of clients that went away.
		ErrorLog: hclog.NewNullLogger().StandardLogger(nil),
	}
	var serving net.Listener = p.listener
	if p.options.TLS {
		certificate, ca, err := throwAwayCertificate()
		if err != nil {
			inner.Close()
			return err
		}
		p.ca = ca
		p.URL = "https://" + inner.Addr().String()
		p.http.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{certificate},
			NextProtos:   []string{"h2", "http/1.1"},
			MinVersion:   tls.VersionTLS12,
		}
		serving = tls.NewListener(p.listener, p.http.TLSConfig)
	}
	p.watching.Go(func() {
		// It ends with http.ErrServerClosed, in Close.
		_ = p.http.Serve(serving)
	})
	return nil
}

// handler counts a request, lets a fault have it, and else routes it.
func (p *Project) handler(base context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.gate.enter() {
			panic(http.ErrAbortHandler)
		}
		defer p.gate.leave()
		p.requests.add(r)
		work, cancel := detached(r.Context(), base)
		defer cancel()
		if injection := p.faults.take(r); injection != nil {
			injection.serve(work, w, r, p.route)
			return
		}
		p.route(w, r.WithContext(work))
	})
}

// detached gives a request a context that outlives its client but not the
// project: the services finish what they have begun.
func detached(client, base context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(client))
	unhook := context.AfterFunc(base, cancel)
	return ctx, func() { unhook(); cancel() }
}

// route is the gateway: it checks the key and chooses the service.
func (p *Project) route(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		p.options.Resumable.describe(w)
		return
	}
	authorization, ok := p.admit(w, r)
	if !ok {
		return
	}
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, restPath):
		p.serveRest(w, r, authorization)
	case strings.HasPrefix(path, storagePath):
		p.serveStorage(w, r, authorization)
	default:
		writeJSON(w, r, http.StatusNotFound, struct {
			Error string `json:"error"`
		}{"requested path is invalid"})
	}
}

// gate lets Close wait for handlers, which http.Server.Close does not.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
