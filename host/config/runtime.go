package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// WithBackend returns a Config of one backend beside the host and plugin blocks
// of c, which does not change: a backend that joins a host at run time. The
// backend has the defaults of its block; body is what its config block holds,
// in HCL, where relative paths start from c.Dir. It is not resolved yet.
func (c *Config) WithBackend(name, plugin string, priority int, body string) (*Config, hcl.Diagnostics) {
	filename := fmt.Sprintf("backend %q", name)
	for _, n := range []struct{ what, name string }{{"backend", name}, {"plugin", plugin}} {
		if !namePattern.MatchString(n.name) || len(n.name) > maxNameLength {
			return nil, hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: fmt.Sprintf("Wrong name of a %s: %q", n.what, n.name),
				Detail: fmt.Sprintf("A name begins with a letter or _ and goes on with letters, digits, _ and -, at most %d in all.", maxNameLength),
			}}
		}
	}
	doc := newDocument(filename, []byte(body), c.Dir, Options{LookupEnv: c.doc.lookupEnv})
	file, diags := hclsyntax.ParseConfig(doc.src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		doc.maskLikelySecrets()
		return nil, doc.seal(diags)[:1] // the others are mostly its consequences
	}
	b := &Backend{}
	decodeDefaults(b)
	at := hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}
	b.Name, b.Plugin, b.Priority, b.DeclRange, b.PluginRange = name, plugin, priority, at, at
	b.body = &hclsyntax.Block{Type: "config", TypeRange: at, OpenBraceRange: at, CloseBraceRange: at, Body: file.Body.(*hclsyntax.Body)}
	doc.undescribed = allLiteralsIn(b.body.Body)
	return &Config{
		Filename: c.Filename, Dir: c.Dir, Host: c.Host, Plugins: c.Plugins, Backends: []*Backend{b}, doc: doc,
	}, nil
}
