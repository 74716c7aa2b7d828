package expression

import (
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// kind is the type of an operand, as it reads in a sentence.
type kind string

const (
	broken  kind = "" // its error has been reported; any other is a consequence
	text    kind = "a string"
	number  kind = "a number"
	boolean kind = "true or false"
	list    kind = "a list"
)

// operand is a compiled part of a condition. The function that belongs to its
// kind computes it.
type operand struct {
	kind kind
	at   hcl.Range
	// constant: it is the same for every object.
	constant bool

	text    func(*frame) string
	number  func(*frame) float64
	boolean func(*frame) bool
	list    func(*frame) []string
}

// operand compiles a part of a condition.
func (c *compiler) operand(expr hclsyntax.Expression) operand {
	var o operand
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		o = c.operand(e.Expression)
	case *hclsyntax.LiteralValueExpr:
		return c.literal(e)
	case *hclsyntax.TemplateExpr:
		o = c.template(e)
	case *hclsyntax.TemplateWrapExpr:
		o = c.operandOf(text, e.Wrapped)
	case *hclsyntax.ScopeTraversalExpr:
		o = c.variable(e)
	case *hclsyntax.RelativeTraversalExpr:
		o = c.literalIndex(e)
	case *hclsyntax.IndexExpr:
		o = c.index(e)
	case *hclsyntax.TupleConsExpr:
		o = c.tuple(e)
	case *hclsyntax.ConditionalExpr:
		o = c.conditional(e)
	case *hclsyntax.UnaryOpExpr:
		o = c.unary(e)
	case *hclsyntax.BinaryOpExpr:
		o = c.binary(e)
	case *hclsyntax.FunctionCallExpr:
		o = c.call(e)
	default:
		c.errorAt(expr.Range(), "Not possible here", "An expression that places objects has conditions, comparisons and functions, but no loops, maps or [*].")
	}
	o.at = expr.Range()
	return c.fold(o)
}

// operandOf compiles a part that must be of a kind.
func (c *compiler) operandOf(want kind, expr hclsyntax.Expression) operand {
	o := c.operand(expr)
	if c.isOf(want, o) {
		return o
	}
	return operand{}
}

// isOf reports whether an operand is of a kind, and complains if not.
func (c *compiler) isOf(want kind, o operand) bool {
	if o.kind == want || o.kind == broken {
		return o.kind == want
	}
	c.errorAt(o.at, "Wrong type", "This must be %s, not %s%s.", want, o.kind, c.instead(want, o))
	return false
}

// fold computes a constant once.
func (c *compiler) fold(o operand) operand {
	if !o.constant {
		return o
	}
	f := &frame{}
	switch o.kind {
	case text:
		v := o.text(f)
		o.text = func(*frame) string { return v }
	case number:
		v := o.number(f)
		o.number = func(*frame) float64 { return v }
	case boolean:
		v := o.boolean(f)
		o.boolean = func(*frame) bool { return v }
	case list:
		v := o.list(f)
		o.list = func(*frame) []string { return v }
	}
	return o
}

func (c *compiler) literal(e *hclsyntax.LiteralValueExpr) operand {
	o := operand{at: e.SrcRange, constant: true}
	switch v := e.Val; {
	case v.IsNull():
		c.errorAt(e.SrcRange, "Not possible here", "null is nothing to place an object by: what is not given is \"\".")
	case v.Type() == cty.String:
		s := v.AsString()
		o.kind, o.text = text, func(*frame) string { return s }
	case v.Type() == cty.Bool:
		b := v.True()
		o.kind, o.boolean = boolean, func(*frame) bool { return b }
	case v.Type() == cty.Number:
		n, _ := v.AsBigFloat().Float64()
		if math.IsInf(n, 0) {
			c.errorAt(e.SrcRange, "Number out of range", "No object has a size of this magnitude.")
			return operand{at: e.SrcRange}
		}
		o.kind, o.number = number, func(*frame) float64 { return n }
	}
	return o
}

func (c *compiler) template(e *hclsyntax.TemplateExpr) operand {
	parts := make([]func(*frame) string, len(e.Parts))
	o := operand{kind: text, constant: true}
	for i, part := range e.Parts {
		p := c.operandOf(text, part)
		if p.kind == broken {
			o.kind = broken
		}
		o.constant = o.constant && p.constant
		parts[i] = p.text
	}
	o.text = func(f *frame) string {
		var b strings.Builder
		for _, part := range parts {
			b.WriteString(part(f))
		}
		return b.String()
	}
	if o.kind == broken {
		return operand{}
	}
	return o
}

func (c *compiler) tuple(e *hclsyntax.TupleConsExpr) operand {
	elems := make([]func(*frame) string, len(e.Exprs))
	o := operand{kind: list, constant: true}
	for i, expr := range e.Exprs {
		elem := c.operandOf(text, expr)
		if elem.kind == broken {
			o.kind = broken
		}
		o.constant = o.constant && elem.constant
		elems[i] = elem.text
	}
	o.list = func(f *frame) []string {
		values := make([]string, len(elems))
		for i, elem := range elems {
			values[i] = elem(f)
		}
		return values
	}
	if o.kind == broken {
		return operand{}
	}
	return o
}

func (c *compiler) conditional(e *hclsyntax.ConditionalExpr) operand {
	when, yes, no := c.operandOf(boolean, e.Condition), c.operand(e.TrueResult), c.operand(e.FalseResult)
	if when.kind == broken || yes.kind == broken || !c.isOf(yes.kind, no) {
		return operand{}
	}
	o := operand{kind: yes.kind, constant: when.constant && yes.constant && no.constant}
	o.text = either(when.boolean, yes.text, no.text)
	o.number = either(when.boolean, yes.number, no.number)
	o.boolean = either(when.boolean, yes.boolean, no.boolean)
	o.list = either(when.boolean, yes.list, no.list)
	return o
}

func either[T any](when func(*frame) bool, yes, no func(*frame) T) func(*frame) T {
	return func(f *frame) T {
		if when(f) {
			return yes(f)
		}
		return no(f)
	}
}

// index compiles list[number], and metadata[string] with a string that is
// computed.
func (c *compiler) index(e *hclsyntax.IndexExpr) operand {
	if t, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr); ok && t.Traversal.RootName() == variableMetadata && len(t.Traversal) == 1 {
		c.use(variableMetadata)
		name := c.operandOf(text, e.Key)
		if name.kind == broken {
			return operand{}
		}
		return operand{kind: text, text: func(f *frame) string { return f.Metadata[name.text(f)] }}
	}
	from, i := c.operandOf(list, e.Collection), c.operandOf(number, e.Key)
	if from.kind == broken || i.kind == broken {
		return operand{}
	}
	return elementOf(from, i)
}

// literalIndex compiles list[number] with a literal number, which HCL parses
// in another way.
func (c *compiler) literalIndex(e *hclsyntax.RelativeTraversalExpr) operand {
	from := c.operand(e.Source)
	if from.kind == broken {
		return operand{}
	}
	if from.kind != list {
		c.errorAt(e.SrcRange, "Wrong index", "There is nothing inside %s.", from.kind)
		return operand{}
	}
	step, ok := e.Traversal[0].(hcl.TraverseIndex)
	if !ok || len(e.Traversal) > 1 || step.Key.IsNull() || step.Key.Type() != cty.Number {
		c.errorAt(e.SrcRange, "Wrong index", "An element of a list is list[NUMBER], counted from 0.")
		return operand{}
	}
	n, _ := step.Key.AsBigFloat().Float64()
	return elementOf(from, operand{kind: number, constant: true, number: func(*frame) float64 { return n }})
}

func elementOf(from, i operand) operand {
	return operand{kind: text, constant: from.constant && i.constant, text: func(f *frame) string {
		elems, at := from.list(f), i.number(f)
		if at >= 0 && at < float64(len(elems)) && at == math.Trunc(at) {
			return elems[int(at)]
		}
		return ""
	}}
}

func (c *compiler) use(name string) {
	if !slices.Contains(c.uses, name) {
		c.uses = append(c.uses, name)
	}
}
