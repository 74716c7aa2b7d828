package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// loader reads the blocks of a file into a Config.
type loader struct {
	doc      *document
	policies map[string]*schema.Schema
	check    PolicyCheck
	config   *Config
	diags    hcl.Diagnostics

	policyNames   []string // of all policies, also of those with errors
	policyRefs    map[string][]reference
	policySources map[string]*source
	refs          []reference
}

// blockKinds are the blocks of a file with the names of their labels.
func blockKinds() map[string][]string {
	return map[string][]string{
		"host":    {},
		"plugin":  {"NAME"},
		"backend": {"NAME"},
		"policy":  {"KIND", "NAME"},
		"route":   {"PREFIX"},
	}
}

func (l *loader) load(body *hclsyntax.Body) {
	l.policyRefs, l.policySources = make(map[string][]reference), make(map[string]*source)
	for _, attr := range attributesInOrder(body) {
		detail := "Every attribute stands in a block: host, plugin, backend, policy or route."
		a := ownSchema(l.config.Host).Attribute(attr.Name)
		if a != nil {
			detail = fmt.Sprintf("%q belongs in the block host { … }.", a.Name)
		}
		if a == nil || a.Sensitive {
			l.doc.masked = append(l.doc.masked, literalsIn(attr.Expr)...)
		}
		l.errorAt(attr.NameRange, "Attribute outside a block", "%s", detail)
	}
	groups := make(map[string][]*hclsyntax.Block)
	for _, block := range body.Blocks {
		if l.checkKind(block) {
			groups[block.Type] = append(groups[block.Type], block)
		} else {
			l.doc.masked = append(l.doc.masked, allLiteralsIn(block.Body)...)
		}
	}
	l.loadHost(groups["host"])
	for _, block := range l.unique(groups["plugin"]) {
		l.loadPlugin(block)
	}
	for _, block := range l.unique(groups["backend"]) {
		l.loadBackend(block)
	}
	for _, block := range groups["route"] {
		l.loadRoute(block)
	}
	before := len(l.diags)
	for _, block := range l.unique(groups["policy"]) {
		l.loadPolicy(block)
	}
	l.checkReferences()
	l.checkCycles()
	if !l.diags[before:].HasErrors() {
		l.checkPolicies()
	}
}

// checkKind reports whether a block is one we know, with the right number of
// labels.
func (l *loader) checkKind(block *hclsyntax.Block) bool {
	kinds := blockKinds()
	labels, ok := kinds[block.Type]
	names := slices.Sorted(maps.Keys(kinds))
	switch {
	case !ok:
		detail := fmt.Sprintf("There is no block named %q.", block.Type)
		if meant := schema.Suggest(block.Type, names); meant != "" {
			detail += fmt.Sprintf(" Did you mean %q?", meant)
		} else {
			detail += " The blocks of a configuration are " + strings.Join(names, ", ") + "."
		}
		l.errorAt(block.TypeRange, "Unknown block", "%s", detail)
		return false
	case len(block.Labels) != len(labels):
		example := block.Type
		for _, label := range labels {
			example += fmt.Sprintf(" %q", label)
		}
		l.errorAt(block.DefRange(), "Wrong labels", "A block of this type begins with %s {", example)
		return false
	}
	return true
}

// namePattern is what a plugin, backend or policy may be called.
var namePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]*$`)

const maxNameLength = 64

// unique drops blocks with a bad name or one that is taken.
func (l *loader) unique(blocks []*hclsyntax.Block) []*hclsyntax.Block {
	var kept []*hclsyntax.Block
	taken := make(map[string]*hclsyntax.Block)
	for _, block := range blocks {
		last := len(block.Labels) - 1
		name, at := block.Labels[last], block.LabelRanges[last]
		earlier := taken[name]
		switch {
		case !namePattern.MatchString(name) || len(name) > maxNameLength:
			l.errorAt(at, "Wrong name", "A name begins with a letter or _ and goes on with letters, digits, _ and -, at most %d in all.", maxNameLength)
		case earlier != nil:
			l.errorAt(at, "Duplicate name", "There is already a %s named %q at line %d. Choose another name.", block.Type, name, earlier.TypeRange.Start.Line)
		default:
			taken[name] = block
			kept = append(kept, block)
			continue
		}
		l.doc.masked = append(l.doc.masked, allLiteralsIn(block.Body)...)
	}
	return kept
}

func (l *loader) loadHost(blocks []*hclsyntax.Block) {
	host := &l.config.Host
	if len(blocks) == 0 {
		l.decode(nil, host, hcl.Range{Filename: l.doc.filename}, "")
		return
	}
	for _, block := range blocks[1:] {
		l.doc.masked = append(l.doc.masked, allLiteralsIn(block.Body)...)
		l.errorAt(block.DefRange(), "Duplicate block", "There is already a host block at line %d. Put everything into one.", blocks[0].TypeRange.Start.Line)
	}
	host.DeclRange = blocks[0].DefRange()
	src := l.decode(blocks[0].Body, host, host.DeclRange, "").source
	l.checkListen(host, src)
}

func (l *loader) loadPlugin(block *hclsyntax.Block) {
	p := &Plugin{Name: block.Labels[0], DeclRange: block.DefRange()}
	src := l.decode(block.Body, p, p.DeclRange, "").source
	l.checkVersion(p, src)
	l.config.Plugins = append(l.config.Plugins, p)
}

func defaultPlugin(name string) Plugin {
	p := Plugin{Name: name}
	decodeDefaults(&p)
	return p
}

func (l *loader) loadBackend(block *hclsyntax.Block) {
	b := &Backend{Name: block.Labels[0], DeclRange: block.DefRange()}
	src := l.decode(block.Body, b, b.DeclRange, "config").source
	b.PluginRange = src.find(schema.AttrPath("plugin")).at
	for _, nested := range block.Body.Blocks {
		if nested.Type == "config" && b.body == nil {
			b.body = nested
			l.doc.undescribed = append(l.doc.undescribed, allLiteralsIn(nested.Body)...)
		}
	}
	l.config.Backends = append(l.config.Backends, b)
}

func (l *loader) loadPolicy(block *hclsyntax.Block) {
	p := &Policy{Kind: block.Labels[0], Name: block.Labels[1], DeclRange: block.DefRange()}
	l.policyNames = append(l.policyNames, p.Name)
	s, ok := l.policies[p.Kind]
	if !ok {
		l.doc.masked = append(l.doc.masked, allLiteralsIn(block.Body)...)
		l.errorAt(block.LabelRanges[0], "Unknown policy", "%s", l.unknownPolicy(p.Kind))
		return
	}
	r := bodyReader{doc: l.doc}
	result := r.decode(block.Body, s, p.DeclRange)
	l.take(&r)
	p.Value = result.value
	for _, ref := range result.refs {
		if !slices.Contains(p.Refs, ref.target) {
			p.Refs = append(p.Refs, ref.target)
		}
	}
	l.policyRefs[p.Name], l.policySources[p.Name] = result.refs, result.source
	l.config.Policies = append(l.config.Policies, p)
}

func (l *loader) unknownPolicy(kind string) string {
	known := slices.Sorted(maps.Keys(l.policies))
	text := fmt.Sprintf("There is no kind of policy named %q.", kind)
	switch meant := schema.Suggest(kind, known); {
	case meant != "":
		text += fmt.Sprintf(" Did you mean %q?", meant)
	case len(known) > 0:
		text += " Known kinds: " + strings.Join(known, ", ") + "."
	}
	return text
}

func (l *loader) loadRoute(block *hclsyntax.Block) {
	r := &Route{Prefix: block.Labels[0], DeclRange: block.DefRange()}
	l.decode(block.Body, r, r.DeclRange, "")
	l.checkPrefix(r, block.LabelRanges[0])
	l.config.Routes = append(l.config.Routes, r)
}

// decode reads a block whose schema is that of one of our own structs.
func (l *loader) decode(body *hclsyntax.Body, into any, at hcl.Range, opaque string) decoded {
	r := bodyReader{doc: l.doc, opaque: opaque}
	result := r.decode(body, ownSchema(into), at)
	l.take(&r)
	for _, d := range schema.Decode(result.value, into) {
		l.diags = append(l.diags, diagnosticAt(result.source.find(d.Path).at, d))
	}
	return result
}

// take collects what a reader found.
func (l *loader) take(r *bodyReader) {
	l.diags = append(l.diags, r.diags...)
	l.refs = append(l.refs, r.refs...)
	l.doc.masked = append(l.doc.masked, r.masked...)
}

// decodeDefaults fills one of our own structs as an empty block would.
func decodeDefaults(into any) {
	value, _ := ownSchema(into).Validate(cty.NilVal) // what is required stays empty
	_ = schema.Decode(value, into)                   // the value conforms to the schema of the struct
}

func ownSchema(of any) *schema.Schema {
	s, err := schema.Reflect(of)
	if err != nil {
		panic(err) // a mistake in the tags of this package
	}
	return s
}

func (l *loader) errorAt(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, errorAt(at, summary, format, args...))
}
