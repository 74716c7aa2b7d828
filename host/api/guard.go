package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// guard decides who is let in.
type guard struct {
	// listen is the host of the listen address; allowed are those the operator
	// added.
	listen  string
	allowed map[string]bool
	tokens  [][sha256.Size]byte
	// certificates: a verified client certificate counts as credentials.
	certificates bool
}

func newGuard(opts Options) *guard {
	g := &guard{allowed: make(map[string]bool)}
	if host, _, err := net.SplitHostPort(opts.Listen); err == nil {
		g.listen = canonicalHost(host)
	}
	for _, name := range opts.AllowedHosts {
		g.allowed[canonicalHost(name)] = true
	}
	for _, token := range opts.Tokens {
		g.tokens = append(g.tokens, sha256.Sum256([]byte(token)))
	}
	g.certificates = opts.TLS != nil && opts.TLS.ClientAuth == tls.VerifyClientCertIfGiven
	return g
}

// checkOrigin refuses requests that a web page of somebody else makes: under a
// name that is not ours, or from an origin that is not ours.
func (g *guard) checkOrigin(r *http.Request) error {
	if r.Host != "" && !g.ours(hostOf(r.Host), r) { // HTTP/1.0, which no browser speaks, has no Host
		return storage.Errorf(storage.CodePermissionDenied, "the request is for the host %q, which is not this one; the operator can allow the name", hostOf(r.Host))
	}
	switch origins := r.Header["Origin"]; {
	case len(origins) == 0:
		if r.Header.Get("Sec-Fetch-Site") != "cross-site" {
			return nil
		}
	case len(origins) == 1 && g.ourOrigin(origins[0], r):
		return nil
	}
	return storage.Errorf(storage.CodePermissionDenied, "the request comes from a web page of another site")
}

func (g *guard) ours(host string, r *http.Request) bool {
	if host == "" {
		return false
	}
	if host == g.listen || g.allowed[host] || loopbackName(host) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && host == canonicalHost(local.IP.String())
}

// ourOrigin: a page of an allowed host, or one that this listener itself
// served.
func (g *guard) ourOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := canonicalHost(u.Hostname())
	if g.allowed[host] {
		return true
	}
	own := "http"
	if r.TLS != nil {
		own = "https"
	}
	return g.ours(host, r) && portOf(u.Host, u.Scheme) == portOf(r.Host, own)
}

// checkCredentials asks for a bearer token, if there are any.
func (g *guard) checkCredentials(r *http.Request) error {
	if len(g.tokens) == 0 || g.certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return nil
	}
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return storage.Errorf(storage.CodeUnauthenticated, "give a token: Authorization: Bearer TOKEN")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	given := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	match := 0
	for _, want := range g.tokens {
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	if match == 0 || !strings.EqualFold(scheme, "Bearer") {
		return storage.Errorf(storage.CodeUnauthenticated, "the token is not valid here")
	}
	return nil
}

// hostOf is the canonical host of "host", "host:port" or "[v6]:port".
func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return canonicalHost(host)
	}
	return canonicalHost(hostPort)
}

// portOf is the port of "host:port", or that of the scheme.
func portOf(hostPort, scheme string) string {
	if _, port, err := net.SplitHostPort(hostPort); err == nil && port != "" {
		return port
	}
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// canonicalHost writes names in lower case without the final dot, addresses in
// their shortest form without brackets.
func canonicalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}
