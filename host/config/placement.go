package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/expression"
)

// compile reads an attribute whose expression is evaluated later, for each
// object. The value is its source; what it refers to is looked up as for other
// references.
func (d *document) compile(attr *hclsyntax.Attribute) (cty.Value, []reference, hcl.Diagnostics) {
	begin, end := attr.EqualsRange.End, attr.SrcRange.End
	src := d.src[begin.Byte:end.Byte]
	program, diags := expression.Compile(d.filename, src, begin)
	if diags.HasErrors() {
		return cty.DynamicVal, nil, diags
	}
	var refs []reference
	for _, ref := range program.References() {
		refs = append(refs, reference{target: ref.Target, at: ref.Range})
	}
	return cty.StringVal(strings.TrimSpace(string(src))), refs, diags
}
