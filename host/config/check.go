package config

import (
	"net"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// The checks here do not quote what they complain about, which may come from
// env() or file(): the source line shows it.

func (l *loader) checkListen(host *Host, src *source) {
	part := src.find(schema.AttrPath("listen"))
	if part.failed || host.Listen == "" {
		return
	}
	name, port, err := net.SplitHostPort(host.Listen)
	_, numberErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || numberErr != nil:
		l.errorAt(part.at, "Not an address", "\"listen\" must be an address and a port from 0 to 65535, such as \"127.0.0.1:7465\" or \"[::1]:7465\".")
	case isLoopback(name):
	case host.TLS == nil:
		l.errorAt(part.at, "Unprotected listener", "An address beyond loopback needs a tls block, and tokens or a client_ca_file. Add them, or listen on 127.0.0.1.")
	case len(host.Tokens) == 0 && host.TLS.ClientCAFile == "":
		l.errorAt(part.at, "Unprotected listener", "An address beyond loopback needs to know its clients: add tokens to the host block or client_ca_file to its tls block, or listen on 127.0.0.1.")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (l *loader) checkVersion(p *Plugin, src *source) {
	if p.Version == "" {
		return
	}
	if _, err := semver.NewConstraint(p.Version); err != nil {
		l.errorAt(src.find(schema.AttrPath("version")).at, "Not a version constraint", "\"version\" must be a constraint such as \"1.4.2\", \">= 1.2, < 2.0\" or \"~> 1.4\".")
	}
}

const maxPrefixLength = 1023 // a key has at most 1024 bytes

func (l *loader) checkPrefix(r *Route, at hcl.Range) {
	for _, earlier := range l.config.Routes {
		if earlier.Prefix == r.Prefix {
			l.errorAt(at, "Duplicate route", "There is already a route for %q at line %d. Take one of them out.", r.Prefix, earlier.DeclRange.Start.Line)
			return
		}
	}
	switch {
	case len(r.Prefix) > maxPrefixLength:
		l.errorAt(at, "Wrong prefix", "No key is that long: a prefix has at most %d bytes.", maxPrefixLength)
	case r.Prefix != "" && !strings.HasSuffix(r.Prefix, "/"):
		l.errorAt(at, "Wrong prefix", "The prefix of a route is \"\" for all keys or ends with a slash: write %q.", r.Prefix+"/")
	case strings.ContainsRune(r.Prefix, 0):
		l.errorAt(at, "Wrong prefix", "No key contains a NUL, so no request would take this route.")
	}
}
