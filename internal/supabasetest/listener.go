package supabasetest

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// listener knows its connections, so that an outage can end them.
type listener struct {
	net.Listener

	mu     sync.Mutex
	outage bool
	open   map[*connection]struct{}
}

func newListener(inner net.Listener) *listener {
	return &listener{Listener: inner, open: map[*connection]struct{}{}}
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: inner, forget: l.forget}
		l.mu.Lock()
		outage := l.outage
		if !outage {
			l.open[c] = struct{}{}
		}
		l.mu.Unlock()
		if !outage {
			return c, nil
		}
		c.reset()
	}
}

func (l *listener) forget(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

func (l *listener) setOutage(on bool) {
	l.mu.Lock()
	l.outage = on
	var open []*connection
	if on {
		for c := range l.open {
			open = append(open, c)
		}
	}
	l.mu.Unlock()
	for _, c := range open {
		c.reset()
	}
}

// Outage resets all connections and every new one until it is called with false.
// Requests in progress are still carried out, as a server does behind a broken
// network.
func (p *Project) Outage(on bool) { p.listener.setOutage(on) }

// connection is one client's.
type connection struct {
	net.Conn
	forget func(*connection)
}

func (c *connection) Close() error {
	c.forget(c)
	return c.Conn.Close()
}

// reset ends the connection with an RST and drops what was not sent yet.
func (c *connection) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// It fails only if the client was quicker.
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

type connectionKey struct{}

// withConnection lets handlers break the connection they answer on, whatever
// protocol is spoken over it.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

func connectionOf(ctx context.Context) *connection {
	conn, _ := ctx.Value(connectionKey{}).(*connection)
	return conn
}
