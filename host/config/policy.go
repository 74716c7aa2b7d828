package config

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// PolicyCheck says what is wrong with a policy that each of its attributes
// allows: that it promises what it cannot keep over such children. The value
// conforms to the schema of the kind, and the paths of diagnostics start at the
// policy's block. kinds gives what the child of a reference is made of, each once:
// the kinds of all its policies, that of a policy itself first, and the
// references of the backends beneath them; nothing for a backend.
type PolicyCheck func(kind string, value cty.Value, kinds func(ref string) []string) schema.Diagnostics

// checkPolicies asks of each policy whether it can keep what it promises over
// the children it has.
func (l *loader) checkPolicies() {
	if l.check == nil {
		return
	}
	for _, p := range l.config.Policies {
		for _, d := range l.check(p.Kind, p.Value, l.config.kindsOf) {
			d.Summary, d.Detail = l.doc.secrets.scrub(d.Summary), l.doc.secrets.scrub(d.Detail)
			l.diags = append(l.diags, diagnosticAt(l.policySources[p.Name].find(d.Path).at, d))
		}
	}
}

// kindsOf returns what a [PolicyCheck] is told of the child of a reference.
func (c *Config) kindsOf(ref string) []string {
	var kinds, seen []string
	var visit func(ref string)
	visit = func(ref string) {
		name, isPolicy := strings.CutPrefix(ref, "policy.")
		p := c.Policy(name)
		if !isPolicy || p == nil || slices.Contains(seen, name) {
			return
		}
		seen = append(seen, name)
		if !slices.Contains(kinds, p.Kind) {
			kinds = append(kinds, p.Kind)
		}
		for _, child := range p.Refs {
			if strings.HasPrefix(child, "backend.") && !slices.Contains(kinds, child) {
				kinds = append(kinds, child)
			}
			visit(child)
		}
	}
	visit(ref)
	return kinds
}
