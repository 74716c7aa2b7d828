package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Defaults of [Options].
const (
	DefaultListen         = "127.0.0.1:7465"
	DefaultMaxRequests    = 512
	DefaultMaxConnections = 2048
	DefaultMaxHeaderBytes = 160 << 10
	DefaultHeaderTimeout  = 10 * time.Second
	DefaultIdleTimeout    = 2 * time.Minute
	DefaultBodyTimeout    = time.Minute
)

// Options of a [Server]. The zero value listens on [DefaultListen], in the
// clear and without credentials, which is for loopback only.
type Options struct {
	// Listen is the TCP address, "host:port"; port 0 picks a free one. Empty
	// means [DefaultListen]. An address beyond loopback needs TLS, and Tokens
	// or client certificates.
	Listen string
	// TLS serves HTTPS, with HTTP/2. Nil: plain HTTP/1.1. The config is cloned.
	// A client certificate counts as credentials if ClientAuth verifies it.
	TLS *tls.Config
	// Tokens are the bearer tokens, each of which opens everything but
	// /healthz and /readyz, which are open to all. Without tokens, everybody
	// who reaches the listener and satisfies TLS is let in. A request with a
	// verified client certificate needs no token under
	// tls.VerifyClientCertIfGiven.
	Tokens []string
	// AllowedHosts are names or addresses, without port, by which the host is
	// reached besides loopback and the listener's own address. Web pages of
	// these hosts may call it too.
	AllowedHosts []string
	// MaxObjectSize is the largest value taken, in bytes; 0 means no limit.
	MaxObjectSize int64
	// MaxRequests is how many object requests are served at once; more are
	// answered with 503. 0 means [DefaultMaxRequests].
	MaxRequests int
	// MaxConnections is how many connections are open at once. For one more,
	// the connection that has been without a request for longest is closed. It
	// should exceed MaxRequests. 0 means [DefaultMaxConnections].
	MaxConnections int
	// MaxHeaderBytes bounds request line and header. 0 means
	// [DefaultMaxHeaderBytes], which holds the longest session and list tokens.
	MaxHeaderBytes int
	// HeaderTimeout bounds the time a request header, or a TLS handshake, may
	// take. 0 means [DefaultHeaderTimeout].
	HeaderTimeout time.Duration
	// IdleTimeout is how long a connection may wait between requests. 0 means
	// [DefaultIdleTimeout].
	IdleTimeout time.Duration
	// BodyTimeout is the time in which a body, in either direction, must move
	// on by 32 KiB or come to its end. The time the store takes is not
	// counted. 0 means [DefaultBodyTimeout].
	BodyTimeout time.Duration
	// Logger receives what an operator should know. Nil: nothing is logged.
	Logger hclog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Listen, DefaultListen)
	setDefault(&o.MaxRequests, DefaultMaxRequests)
	setDefault(&o.MaxConnections, DefaultMaxConnections)
	setDefault(&o.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&o.HeaderTimeout, DefaultHeaderTimeout)
	setDefault(&o.IdleTimeout, DefaultIdleTimeout)
	setDefault(&o.BodyTimeout, DefaultBodyTimeout)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports what cannot be served, or must not be.
func (o Options) validate() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w; write host:port, such as %s", o.Listen, err, DefaultListen)
	}
	for _, n := range []int64{
		o.MaxObjectSize, int64(o.MaxRequests), int64(o.MaxConnections), int64(o.MaxHeaderBytes),
		int64(o.HeaderTimeout), int64(o.IdleTimeout), int64(o.BodyTimeout),
	} {
		if n < 0 {
			return fmt.Errorf("a limit of the HTTP front is negative: %d", n)
		}
	}
	for i, token := range o.Tokens {
		if !bearerToken(token) {
			return fmt.Errorf("bearer token number %d is empty or holds a character that is not visible ASCII", i+1)
		}
	}
	for _, name := range o.AllowedHosts {
		if canonicalHost(name) == "" || strings.Contains(name, "/") {
			return fmt.Errorf("allowed host %q: give a name or an address without scheme and port", name)
		}
	}
	if t := o.TLS; t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return errors.New("the TLS config has no certificate")
	}
	if loopbackName(host) {
		return nil
	}
	return o.permitExposure(o.Listen)
}

// permitExposure reports why addr, which lies beyond loopback, must not be
// listened on.
func (o Options) permitExposure(addr string) error {
	var lacks []string
	if o.TLS == nil {
		lacks = append(lacks, "TLS")
	}
	if len(o.Tokens) == 0 && !o.requiresCertificates() {
		lacks = append(lacks, "bearer tokens or required client certificates")
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("refusing to listen on %s: beyond loopback this needs %s; configure them, or listen on 127.0.0.1",
		addr, strings.Join(lacks, " and "))
}

func (o Options) requiresCertificates() bool {
	return o.TLS != nil && o.TLS.ClientAuth == tls.RequireAndVerifyClientCert
}

// checkBound is validate for the address that was bound: a name may have led
// beyond loopback.
func (o Options) checkBound(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return errors.New("the listener is not TCP")
	}
	if tcp.IP.IsLoopback() {
		return nil
	}
	return o.permitExposure(addr.String())
}

func loopbackName(host string) bool {
	if canonicalHost(host) == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func bearerToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
