package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// reference is `backend.NAME` or `policy.NAME` in the file.
type reference struct {
	target string // as written
	at     hcl.Range
}

// readReferences reads the expression of an attribute that takes references:
// one, a list or a map of them. They are looked up once every block is known.
func readReferences(t schema.Type, expr hclsyntax.Expression) (cty.Value, []reference, hcl.Diagnostics) {
	switch {
	case t.IsList():
		return readReferenceList(expr)
	case t.IsMap():
		return readReferenceMap(expr)
	}
	ref, diags := readReference(expr)
	if diags.HasErrors() {
		return cty.DynamicVal, nil, diags
	}
	return cty.StringVal(ref.target), []reference{ref}, nil
}

func readReferenceList(expr hclsyntax.Expression) (cty.Value, []reference, hcl.Diagnostics) {
	list, ok := expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		return cty.DynamicVal, nil, hcl.Diagnostics{errorAt(expr.Range(), "List of references needed", "Write the references in brackets: [backend.NAME, policy.NAME].")}
	}
	var refs []reference
	var diags hcl.Diagnostics
	values := []cty.Value{}
	for _, elem := range list.Exprs {
		ref, more := readReference(elem)
		if more.HasErrors() {
			diags = append(diags, more...)
			continue
		}
		if slices.ContainsFunc(refs, func(r reference) bool { return r.target == ref.target }) {
			diags = append(diags, errorAt(ref.at, "Duplicate reference", "%s is in this list already: name each backend or policy once.", ref.target))
		}
		refs = append(refs, ref)
		values = append(values, cty.StringVal(ref.target))
	}
	return cty.TupleVal(values), refs, diags
}

func readReferenceMap(expr hclsyntax.Expression) (cty.Value, []reference, hcl.Diagnostics) {
	object, ok := expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return cty.DynamicVal, nil, hcl.Diagnostics{errorAt(expr.Range(), "Map of references needed", "Write the references in braces: { key = backend.NAME }.")}
	}
	var refs []reference
	var diags hcl.Diagnostics
	values := make(map[string]cty.Value)
	for _, item := range object.Items {
		key, more := item.KeyExpr.Value(nil)
		if more.HasErrors() || key.Type() != cty.String || key.IsNull() {
			diags = append(diags, errorAt(item.KeyExpr.Range(), "Wrong key", "The key must be a plain word or a text in quotes."))
			continue
		}
		ref, more := readReference(item.ValueExpr)
		if more.HasErrors() {
			diags = append(diags, more...)
			continue
		}
		refs = append(refs, ref)
		values[key.AsString()] = cty.StringVal(ref.target)
	}
	return cty.ObjectVal(values), refs, diags
}

func readReference(expr hclsyntax.Expression) (reference, hcl.Diagnostics) {
	bad := func(hint string) (reference, hcl.Diagnostics) {
		return reference{}, hcl.Diagnostics{errorAt(expr.Range(), "Reference needed", "This must be a reference, backend.NAME or policy.NAME%s.", hint)}
	}
	traversal, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		switch expr.(type) {
		case *hclsyntax.TemplateExpr:
			return bad(", without quotes")
		case *hclsyntax.TupleConsExpr:
			return bad(": one, not a list")
		}
		return bad("")
	}
	kind := traversal.RootName()
	if len(traversal) == 1 && kind != "backend" && kind != "policy" {
		return bad(fmt.Sprintf(": backend.%s, perhaps", kind))
	}
	if len(traversal) != 2 || kind != "backend" && kind != "policy" {
		return bad("")
	}
	name, ok := traversal[1].(hcl.TraverseAttr)
	if !ok {
		return bad("")
	}
	return reference{target: kind + "." + name.Name, at: expr.Range()}, nil
}

// checkReferences looks up the references of policies and routes.
func (l *loader) checkReferences() {
	var known []string
	enabled := make(map[string]bool)
	for _, b := range l.config.Backends {
		known = append(known, "backend."+b.Name)
		enabled["backend."+b.Name] = b.Enabled
	}
	for _, name := range l.policyNames {
		known = append(known, "policy."+name)
		enabled["policy."+name] = true
	}
	for _, ref := range l.refs {
		switch isEnabled, ok := enabled[ref.target]; {
		case !ok:
			l.errorAt(ref.at, "Unknown reference", "%s", unknownReference(ref.target, known))
		case !isEnabled:
			_, name, _ := strings.Cut(ref.target, ".")
			line := l.config.Backend(name).DeclRange.Start.Line
			l.errorAt(ref.at, "Backend is disabled", "The backend %q (line %d) is disabled. Set enabled = true there, or take the reference out.", name, line)
		}
	}
}

func unknownReference(target string, known []string) string {
	kind, name, _ := strings.Cut(target, ".")
	other := "policy." + name
	if kind == "policy" {
		other = "backend." + name
	}
	text := fmt.Sprintf("There is no %s named %q.", kind, name)
	switch meant := schema.Suggest(target, known); {
	case slices.Contains(known, other):
		text += fmt.Sprintf(" Did you mean %s?", other)
	case meant != "":
		text += fmt.Sprintf(" Did you mean %s?", meant)
	case len(known) > 0:
		text += " Known: " + strings.Join(known, ", ") + "."
	}
	return text
}

// checkCycles complains about every reference that closes a circle of
// policies.
func (l *loader) checkCycles() {
	const underWay, done = 1, 2
	state := make(map[string]int)
	var trail []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = underWay
		trail = append(trail, name)
		for _, ref := range l.policyRefs[name] {
			next, isPolicy := strings.CutPrefix(ref.target, "policy.")
			switch {
			case !isPolicy || state[next] == done:
			case state[next] == underWay:
				circle := append(slices.Clone(trail[slices.Index(trail, next):]), next)
				l.errorAt(ref.at, "Policies in a circle", "This reference closes a circle: policy.%s. A request would never reach a backend.", strings.Join(circle, " → policy."))
			default:
				visit(next)
			}
		}
		trail = trail[:len(trail)-1]
		state[name] = done
	}
	for _, p := range l.config.Policies {
		if state[p.Name] == 0 {
			visit(p.Name)
		}
	}
}
