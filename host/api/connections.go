package api

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections bounds the open connections. A connection is quiet until its
// request header is complete, and again between requests; when there are too
// many, the one that has been quiet for longest is closed.
type connections struct {
	limit int

	mu   sync.Mutex
	open map[net.Conn]*connection
	// quiet holds *connection, longest quiet first.
	quiet list.List
}

type connection struct {
	conn  net.Conn
	place *list.Element // in quiet; nil while busy
}

type connectionKey struct{}

func newConnections(limit int) *connections {
	return &connections{limit: limit, open: make(map[net.Conn]*connection)}
}

// add is the server's ConnContext: conn was just accepted.
func (c *connections) add(ctx context.Context, conn net.Conn) context.Context {
	entry := &connection{conn: conn}
	c.mu.Lock()
	c.open[conn] = entry
	entry.place = c.quiet.PushBack(entry)
	var surplus []net.Conn
	for len(c.open) > c.limit && c.quiet.Len() > 0 {
		surplus = append(surplus, c.evictLocked())
	}
	c.mu.Unlock()
	closeAll(surplus)
	return context.WithValue(ctx, connectionKey{}, entry)
}

func (c *connections) evictLocked() net.Conn {
	entry := c.quiet.Remove(c.quiet.Front()).(*connection)
	entry.place = nil
	delete(c.open, entry.conn)
	return entry.conn
}

// busy notes that a request of the connection behind ctx has begun.
func (c *connections) busy(ctx context.Context) {
	entry, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry.place != nil {
		c.quiet.Remove(entry.place)
		entry.place = nil
	}
}

// changed is the server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.open[conn]
	if entry == nil {
		return
	}
	switch state {
	case http.StateIdle:
		if entry.place == nil {
			entry.place = c.quiet.PushBack(entry)
		}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
		if entry.place != nil {
			c.quiet.Remove(entry.place)
			entry.place = nil
		}
	}
}

// closeQuiet closes every connection that has no request running.
func (c *connections) closeQuiet() {
	c.mu.Lock()
	var quiet []net.Conn
	for c.quiet.Len() > 0 {
		quiet = append(quiet, c.evictLocked())
	}
	c.mu.Unlock()
	closeAll(quiet)
}

// closeAll closes without the farewell of TLS, which may block.
func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		_ = conn.Close()
	}
}
