package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// bodyReader turns the body of a block into a value for schema.Validate and
// remembers where everything stood.
type bodyReader struct {
	doc *document
	// opaque names a block that is not descended into: its schema is not
	// known yet.
	opaque string

	refs   []reference
	masked []hcl.Range
	diags  hcl.Diagnostics
}

// decoded is a body that has been read and validated.
type decoded struct {
	value  cty.Value
	source *source
	refs   []reference
}

// decode reads, validates and completes a body (nil: an empty one).
func (r *bodyReader) decode(body *hclsyntax.Body, s *schema.Schema, at hcl.Range) decoded {
	raw, src := r.read(body, s, at)
	value, diags := s.Validate(raw)
	for _, d := range diags {
		if part := src.find(d.Path); !part.failed {
			r.diags = append(r.diags, diagnosticAt(part.at, d))
		}
	}
	r.doc.secrets.addSensitive(s, value)
	return decoded{value: absolutePaths(s, value, r.doc.dir), source: src, refs: r.refs}
}

func (r *bodyReader) read(body *hclsyntax.Body, s *schema.Schema, at hcl.Range) (cty.Value, *source) {
	src := newSource(at)
	if body == nil {
		return cty.EmptyObjectVal, src
	}
	values := make(map[string]cty.Value)
	for _, attr := range attributesInOrder(body) {
		a := s.Attribute(attr.Name)
		if a == nil {
			r.unknownAttribute(s, attr)
			src.members[attr.Name] = &source{at: attr.NameRange, failed: true}
			if meant := schema.Suggest(attr.Name, s.Names()); body.Attributes[meant] == nil {
				src.members[meant] = src.members[attr.Name] // no need to say that it is missing
			}
			continue
		}
		values[a.Name], src.members[a.Name] = r.attribute(a, attr)
	}
	groups := make(map[string][]*hclsyntax.Block)
	for _, block := range body.Blocks {
		if s.Block(block.Type) == nil {
			r.unknownBlock(s, block)
			src.members[block.Type] = &source{at: block.TypeRange, failed: true}
			continue
		}
		groups[block.Type] = append(groups[block.Type], block)
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if blocks := groups[b.Name]; len(blocks) > 0 {
			values[b.Name], src.members[b.Name] = r.blocks(b, blocks)
		}
	}
	return cty.ObjectVal(values), src
}

func attributesInOrder(body *hclsyntax.Body) []*hclsyntax.Attribute {
	attrs := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, attr := range body.Attributes {
		attrs = append(attrs, attr)
	}
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return attrs
}

func (r *bodyReader) attribute(a *schema.Attribute, attr *hclsyntax.Attribute) (cty.Value, *source) {
	if a.Sensitive {
		r.masked = append(r.masked, literalsIn(attr.Expr)...)
	}
	src := sourceOf(attr.Expr)
	var value cty.Value
	var diags hcl.Diagnostics
	var refs []reference
	switch {
	case a.Ref:
		value, refs, diags = readReferences(a.Type, attr.Expr)
	case a.Expr:
		value, refs, diags = r.doc.compile(attr)
	default:
		value, diags = r.doc.evaluate(attr.Expr)
	}
	r.refs = append(r.refs, refs...)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		src.failed = true
		value = cty.NullVal(cty.DynamicPseudoType)
	}
	return value, src
}

func (r *bodyReader) blocks(b *schema.Block, blocks []*hclsyntax.Block) (cty.Value, *source) {
	switch b.Nesting {
	case schema.NestingList:
		return r.repeatedBlocks(b, blocks)
	case schema.NestingMap:
		return r.labelledBlocks(b, blocks)
	}
	first := blocks[0]
	for _, block := range blocks[1:] {
		r.masked = append(r.masked, allLiteralsIn(block.Body)...)
		r.errorAt(block.DefRange(), "Duplicate block", "There is already a block %q at line %d; only one is allowed.", b.Name, first.TypeRange.Start.Line)
	}
	r.label(b, first)
	return r.blockBody(b, first)
}

func (r *bodyReader) repeatedBlocks(b *schema.Block, blocks []*hclsyntax.Block) (cty.Value, *source) {
	all := newSource(blocks[0].DefRange())
	var elems []cty.Value
	for _, block := range blocks {
		r.label(b, block)
		value, src := r.blockBody(b, block)
		elems = append(elems, value)
		all.elems = append(all.elems, src)
	}
	return cty.TupleVal(elems), all
}

func (r *bodyReader) labelledBlocks(b *schema.Block, blocks []*hclsyntax.Block) (cty.Value, *source) {
	all := newSource(blocks[0].DefRange())
	labelled := make(map[string]cty.Value)
	for _, block := range blocks {
		label, ok := r.label(b, block)
		if !ok {
			r.masked = append(r.masked, allLiteralsIn(block.Body)...)
			all.failed = true
			continue
		}
		if earlier := all.members[label]; earlier != nil {
			r.masked = append(r.masked, allLiteralsIn(block.Body)...)
			r.errorAt(block.LabelRanges[0], "Duplicate name", "There is already a block %s %q at line %d.", b.Name, label, earlier.at.Start.Line)
			continue
		}
		labelled[label], all.members[label] = r.blockBody(b, block)
	}
	return cty.ObjectVal(labelled), all
}

func (r *bodyReader) blockBody(b *schema.Block, block *hclsyntax.Block) (cty.Value, *source) {
	if b.Name == r.opaque {
		return cty.EmptyObjectVal, newSource(block.DefRange())
	}
	return r.read(block.Body, &b.Body, block.DefRange())
}

// label returns the label of a block that has one.
func (r *bodyReader) label(b *schema.Block, block *hclsyntax.Block) (string, bool) {
	switch {
	case b.Nesting == schema.NestingMap && len(block.Labels) == 1:
		return block.Labels[0], true
	case b.Nesting == schema.NestingMap:
		r.errorAt(block.DefRange(), "Wrong label", "A block %q has one name: %s \"NAME\" { … }.", b.Name, b.Name)
		return "", false
	case len(block.Labels) > 0:
		r.errorAt(block.LabelRanges[0], "Wrong label", "A block %q has no name: write %s { … }.", b.Name, b.Name)
		return "", false
	}
	return "", true
}

// unknownAttribute complains about a name the schema does not have. What was
// assigned to it is only shown if the attribute that was probably meant is
// not sensitive.
func (r *bodyReader) unknownAttribute(s *schema.Schema, attr *hclsyntax.Attribute) {
	meant := s.Attribute(schema.Suggest(attr.Name, s.Names()))
	if meant == nil || meant.Sensitive {
		r.masked = append(r.masked, literalsIn(attr.Expr)...)
	}
	if s.Block(attr.Name) != nil {
		r.errorAt(attr.NameRange, "Block needed", "%q is a block, not an attribute: write %s { … } without the equals sign.", attr.Name, attr.Name)
		return
	}
	diag := diagnosticAt(attr.NameRange, s.Unknown("attribute", attr.Name, nil))
	if meant == nil && r.opaque != "" {
		diag.Detail += fmt.Sprintf("\nIf it is a setting of the plugin, it belongs in the block %s { … }.", r.opaque)
	}
	r.diags = append(r.diags, diag)
}

func (r *bodyReader) unknownBlock(s *schema.Schema, block *hclsyntax.Block) {
	r.masked = append(r.masked, allLiteralsIn(block.Body)...)
	if s.Attribute(block.Type) != nil {
		r.errorAt(block.TypeRange, "Attribute needed", "%q is an attribute, not a block: write %s = … with an equals sign.", block.Type, block.Type)
		return
	}
	r.diags = append(r.diags, diagnosticAt(block.TypeRange, s.Unknown("block", block.Type, nil)))
}

func (r *bodyReader) errorAt(at hcl.Range, summary, format string, args ...any) {
	r.diags = append(r.diags, errorAt(at, summary, format, args...))
}

func errorAt(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

// diagnosticAt places a complaint of a schema or a plugin in the file.
func diagnosticAt(at hcl.Range, d schema.Diagnostic) *hcl.Diagnostic {
	severity := hcl.DiagError
	if d.Severity == schema.SeverityWarning {
		severity = hcl.DiagWarning
	}
	return &hcl.Diagnostic{Severity: severity, Summary: d.Summary, Detail: d.Detail, Subject: &at}
}
