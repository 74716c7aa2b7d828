package expression

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const (
	variableKey         = "key"
	variableSize        = "size"
	variableContentType = "content_type"
	variableMetadata    = "metadata"
	variableOp          = "op"
)

func variables() []string {
	return []string{variableContentType, variableKey, variableMetadata, variableOp, variableSize}
}

func isVariable(name string) bool { return slices.Contains(variables(), name) }

const variablesSentence = " The variables are key, size, content_type, metadata and op."

// variable compiles a name and what is behind it.
func (c *compiler) variable(e *hclsyntax.ScopeTraversalExpr) operand {
	name, steps := e.Traversal.RootName(), e.Traversal[1:]
	if name == variableMetadata {
		return c.metadata(e, steps)
	}
	o := operand{}
	switch name {
	case variableKey:
		o = operand{kind: text, text: func(f *frame) string { return f.Key }}
	case variableContentType:
		o = operand{kind: text, text: func(f *frame) string { return f.ContentType }}
	case variableOp:
		o = operand{kind: text, text: func(f *frame) string { return f.Op }}
	case variableSize:
		o = operand{kind: number, number: func(f *frame) float64 { return float64(f.Size) }}
	default:
		c.unknown(e, name)
		return operand{}
	}
	if len(steps) > 0 {
		c.errorAt(e.SrcRange, "Wrong index", "There is nothing inside %s, which is %s.", name, o.kind)
		return operand{}
	}
	c.use(name)
	return o
}

// metadata compiles metadata.NAME and metadata["NAME"].
func (c *compiler) metadata(e *hclsyntax.ScopeTraversalExpr, steps hcl.Traversal) operand {
	c.use(variableMetadata)
	name := ""
	if len(steps) == 1 {
		switch step := steps[0].(type) {
		case hcl.TraverseAttr:
			name = step.Name
		case hcl.TraverseIndex:
			if step.Key.IsKnown() && !step.Key.IsNull() && step.Key.Type() == cty.String {
				name = step.Key.AsString()
			}
		}
	}
	switch {
	case name == "":
		c.errorAt(e.SrcRange, "Name needed", "An entry of the metadata is metadata[\"NAME\"]; it is \"\" if the object has none.")
		return operand{}
	case name != strings.ToLower(name):
		c.errorAt(e.SrcRange, "Never given", "The names of metadata are in lower case: write metadata[%q].", strings.ToLower(name))
		return operand{}
	}
	return operand{kind: text, text: func(f *frame) string { return f.Metadata[name] }}
}

func (c *compiler) unknown(e *hclsyntax.ScopeTraversalExpr, name string) {
	before, after, minus := strings.Cut(name, "-")
	switch {
	case isReference(e.Traversal):
		c.errorAt(e.SrcRange, "No reference possible here", "A reference is the result, as in CONDITION ? backend.NAME : backend.NAME. It cannot be compared, be put into a list or be given to a function.")
	case isVolatile(name):
		c.volatile(e.SrcRange, name)
	case minus && isVariable(before):
		c.errorAt(e.SrcRange, "Unknown variable", "%s is one name here, since names may have a minus in them. To subtract, put spaces around it: %s - %s.", name, before, after)
	default:
		c.errorAt(e.SrcRange, "Unknown variable", "There is no variable %s.%s", name, didYouMean(name, variables(), variablesSentence))
	}
}

// isVolatile recognises names that people give to what changes between a write
// and the read that follows.
func isVolatile(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "now", "today", "time", "date", "hour", "weekday", "clock", "timestamp", "plantimestamp", "timeadd", "formatdate",
		"rand", "uuid", "uuidv4", "nonce", "bcrypt",
		"available", "latency", "load", "breaker", "usage", "free", "capacity",
		"env", "getenv", "file", "fileexists", "templatefile", "hostname":
		return true
	}
	return strings.HasPrefix(name, "random") || strings.HasPrefix(name, "health")
}

func (c *compiler) volatile(at hcl.Range, name string) {
	c.errorAt(at, "Not a property of the object", "%s may not appear: it may change, and then a read could not find what a write placed.%s", name, variablesSentence)
}
