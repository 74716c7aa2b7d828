package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

const (
	listPath   = "/v1/objects"
	objectPath = listPath + "/"

	headerMeta        = "Stowage-Meta-"
	headerTTL         = "Stowage-Ttl"
	headerExpires     = "Stowage-Expires"
	headerModified    = "Stowage-Modified"
	headerChecksum    = "Stowage-Crc32c"
	headerConsistency = "Stowage-Consistency"
	headerSession     = "Stowage-Session"
	headerCreated     = "Stowage-Created"
	headerExisted     = "Stowage-Existed"
	headerCode        = "Stowage-Code"
	headerContentType = "Stowage-Content-Type"
)

// expectOver is from which size on the host is asked before the body is sent,
// so that a refusal is heard before the body is.
const expectOver = 1 << 20

// request builds the request; sent tells later whether its header may have
// reached the host.
func (c *Client) request(ctx context.Context, cl *call) (req *http.Request, sent *atomic.Bool) {
	sent = new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	u := c.base
	u.RawPath = u.EscapedPath() + cl.escaped
	u.Path += cl.path
	u.RawQuery = cl.query
	req = (&http.Request{Method: cl.method, URL: &u, Header: cl.header, Host: u.Host}).WithContext(ctx)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if cl.body != nil && cl.body.size != 0 {
		req.Body, req.ContentLength, req.GetBody = cl.body, cl.body.size, cl.body.again
		if cl.body.size < 0 || cl.body.size > expectOver {
			req.Header.Set("Expect", "100-continue")
		}
	}
	return req, sent
}

// escapeKey encodes a key so that nothing on the way takes it for a path to be
// tidied up: dot segments and slashes that begin, end or follow another are
// escaped.
func escapeKey(key string) string {
	var b strings.Builder
	for i, segment := range strings.Split(key, "/") {
		switch {
		case i == 0:
		case segment == "" || b.Len() == 0:
			b.WriteString("%2F")
		default:
			b.WriteByte('/')
		}
		if segment == "." || segment == ".." {
			b.WriteString(strings.Repeat("%2E", len(segment)))
			continue
		}
		escapeSegment(&b, segment)
	}
	return b.String()
}

func escapeSegment(b *strings.Builder, segment string) {
	for i := range len(segment) {
		switch c := segment[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}
