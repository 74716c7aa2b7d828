package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Options of a [Client]. The zero value speaks plain HTTP without credentials.
type Options struct {
	// Token is sent as a bearer token. It is sent only over TLS, or to
	// loopback.
	Token string
	// TLS is used with https addresses, and makes an address without a scheme
	// one. It is cloned.
	TLS *tls.Config
}

// Client is a host that is reached over HTTP. It is safe for concurrent use
// and must be closed.
type Client struct {
	base      url.URL
	token     string
	transport *http.Transport
	closed    atomic.Bool
}

var (
	_ storage.Backend       = (*Client)(nil)
	_ storage.HealthChecker = (*Client)(nil)
)

// Timeouts of a connection. How long an operation may take is up to its
// context.
const (
	dialTimeout      = 10 * time.Second
	idleTimeout      = 90 * time.Second // less than the host's, which then need not hang up on us
	continueTimeout  = time.Second
	maxIdle          = 64
	ioBuffer         = 64 << 10
	maxHeaderBytes   = 256 << 10
	maxDocumentBytes = 256 << 20
)

// New returns a Client of the host at addr: "127.0.0.1:7465", or a URL of the
// scheme http or https, which may have a path before the API's. It does not
// connect.
func New(addr string, opts Options) (*Client, error) {
	base, err := parseAddress(addr, opts)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // ranges and lengths are those of the stored bytes
		ReadBufferSize:         ioBuffer,
		WriteBufferSize:        ioBuffer,
	}
	if opts.TLS != nil {
		transport.TLSClientConfig = opts.TLS.Clone()
	}
	return &Client{base: base, token: opts.Token, transport: transport}, nil
}

func parseAddress(addr string, opts Options) (url.URL, error) {
	full := addr
	if !strings.Contains(addr, "://") {
		full = "http://" + addr
		if opts.TLS != nil {
			full = "https://" + addr
		}
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return url.URL{}, fmt.Errorf("address %q of the host: write host:port, http://host:port or https://host", addr)
	}
	if opts.Token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
		return url.URL{}, fmt.Errorf("address %q: a token would be readable on its way; use https", addr)
	}
	return url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// Store returns c with every operation; see [storage.Complete].
func (c *Client) Store() storage.Store { return storage.Complete(c) }

// Capabilities implements storage.Backend.
func (c *Client) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, HealthCheck: true,
		Consistency: storage.AllConsistencyLevels(),
	}
}

// Close implements storage.Backend. Operations that run go on to their end.
func (c *Client) Close(context.Context) error {
	c.closed.Store(true)
	c.transport.CloseIdleConnections()
	return nil
}

// call is one request.
type call struct {
	op, key string
	method  string
	// path is decoded, escaped encodes it; query is encoded.
	path, escaped, query string
	header               http.Header
	body                 *upload
	session              *storage.Session
	// write: a lost answer leaves the outcome unknown.
	write bool
}

// objectCall prepares a call about the object of key.
func objectCall(op, method, key string, level storage.Consistency, session *storage.Session) *call {
	cl := &call{
		op: op, key: key, method: method, session: session, header: make(http.Header),
		path: objectPath + key, escaped: objectPath + escapeKey(key),
	}
	cl.setFreshness(level)
	return cl
}

func (cl *call) setFreshness(level storage.Consistency) {
	if level != storage.ConsistencyDefault {
		cl.header.Set(headerConsistency, level.String())
	}
	if cl.session == nil {
		return
	}
	if token := cl.session.Token(); token != "" {
		cl.header.Set(headerSession, token)
	}
}

// send performs the call. The answer is a success, and its body the caller's
// to close; every other answer is the error it stands for.
func (c *Client) send(ctx context.Context, cl *call) (*http.Response, error) {
	if c.closed.Load() {
		return nil, storage.Annotate(storage.Errorf(storage.CodeUnavailable, "the client is closed"), cl.op, cl.key)
	}
	req, sent := c.request(ctx, cl)
	var resp *http.Response
	var err error
	if cl.body == nil {
		resp, err = c.transport.RoundTrip(req)
	} else {
		resp, err = cl.body.roundTrip(ctx, c.transport, req)
	}
	if err != nil {
		return nil, storage.Annotate(connectionError(ctx, cl, err, sent.Load()), cl.op, cl.key)
	}
	if cl.session != nil {
		_ = cl.session.Merge(resp.Header.Get(headerSession)) // one that cannot be read says nothing
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, storage.Annotate(answeredError(resp, cl.write), cl.op, cl.key)
}

// discard reads the short rest of an answer, so that its connection can be
// used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}
