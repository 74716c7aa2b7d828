package expression

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// MaxSource bounds the source of an expression, in bytes.
const MaxSource = 16 << 10

// Compile checks an expression and makes it ready to be evaluated. The filename
// and the position of the first byte are what diagnostics show. Without a
// Program there is at least one diagnostic that is an error.
func Compile(filename string, src []byte, start hcl.Pos) (*Program, hcl.Diagnostics) {
	if len(src) > MaxSource {
		at := hcl.Range{Filename: filename, Start: start, End: start}
		return nil, hcl.Diagnostics{problem(at, "Expression too long", "It has %d bytes; at most %d are allowed.", len(src), MaxSource)}
	}
	expr, diags := hclsyntax.ParseExpression(src, filename, start)
	if diags.HasErrors() {
		return nil, diags[:1] // the others are mostly its consequences
	}
	c := &compiler{}
	root := c.choice(expr)
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return &Program{source: string(src), root: root, refs: c.refs, uses: c.uses}, nil
}

// CompileText is Compile for an expression that is in no file. The error has a
// line and column for each problem.
func CompileText(text string) (*Program, error) {
	p, diags := Compile("expression", []byte(text), hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("compile %.80q: %w", text, diags)
	}
	return p, nil
}

type compiler struct {
	diags hcl.Diagnostics
	refs  []Reference
	uses  []string
}

// choice compiles what stands where a result belongs.
func (c *compiler) choice(expr hclsyntax.Expression) *choice {
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return c.choice(e.Expression)
	case *hclsyntax.ConditionalExpr:
		when := c.operandOf(boolean, e.Condition)
		return &choice{when: when.boolean, yes: c.choice(e.TrueResult), no: c.choice(e.FalseResult)}
	case *hclsyntax.ScopeTraversalExpr:
		name := e.Traversal.RootName()
		switch {
		case isReference(e.Traversal):
			return c.reference(e)
		case len(e.Traversal) == 1 && !isVariable(name) && !isVolatile(name):
			c.errorAt(e.SrcRange, "Reference needed", "The result must be a reference, backend.NAME or policy.NAME: backend.%s, perhaps.", name)
			return &choice{}
		}
	}
	c.noResult(expr)
	return &choice{}
}

// noResult says why an expression is no result.
func (c *compiler) noResult(expr hclsyntax.Expression) {
	before := len(c.diags)
	o := c.operand(expr)
	if len(c.diags) > before {
		return
	}
	hint := ""
	if o.constant && o.kind == text {
		quoted := o.text(&frame{})
		if hclsyntax.ValidIdentifier(quoted) {
			hint = fmt.Sprintf(": backend.%s, perhaps", quoted)
		} else if _, err := CompileText(quoted); err == nil {
			hint = ": take the quotes off"
		}
	}
	c.errorAt(o.at, "Reference needed", "The result must be a reference, backend.NAME or policy.NAME, not %s%s.", o.kind, hint)
}

// reference compiles backend.NAME or policy.NAME.
func (c *compiler) reference(e *hclsyntax.ScopeTraversalExpr) *choice {
	root := e.Traversal.RootName()
	if len(e.Traversal) == 2 {
		if name, ok := e.Traversal[1].(hcl.TraverseAttr); ok {
			ref := root + "." + name.Name
			c.refs = append(c.refs, Reference{Target: ref, Range: e.SrcRange})
			return &choice{ref: ref}
		}
	}
	c.errorAt(e.SrcRange, "Reference needed", "A reference is %s.NAME, with the name as it is: no quotes, no brackets and nothing behind it.", root)
	return &choice{}
}

func isReference(t hcl.Traversal) bool {
	return t.RootName() == "backend" || t.RootName() == "policy"
}

func (c *compiler) errorAt(at hcl.Range, summary, format string, args ...any) {
	c.diags = append(c.diags, problem(at, summary, format, args...))
}

func problem(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

// didYouMean ends a sentence about a name that does not exist.
func didYouMean(name string, known []string, otherwise string) string {
	if meant := schema.Suggest(name, known); meant != "" {
		return fmt.Sprintf(" Did you mean %s?", meant)
	}
	return otherwise
}
