package expression

import (
	"fmt"
	"math"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func (c *compiler) unary(e *hclsyntax.UnaryOpExpr) operand {
	if e.Op == hclsyntax.OpLogicalNot {
		o := c.operandOf(boolean, e.Val)
		return operand{kind: o.kind, constant: o.constant, boolean: func(f *frame) bool { return !o.boolean(f) }}
	}
	o := c.operandOf(number, e.Val)
	return operand{kind: o.kind, constant: o.constant, number: func(f *frame) float64 { return -o.number(f) }}
}

func (c *compiler) binary(e *hclsyntax.BinaryOpExpr) operand {
	l, r := c.operand(e.LHS), c.operand(e.RHS)
	switch e.Op {
	case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
		return c.equality(e, l, r)
	case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
		return c.logical(e, l, r)
	}
	left, right := c.isOf(number, l), c.isOf(number, r)
	if !left || !right {
		return operand{}
	}
	o := operand{constant: l.constant && r.constant}
	if f := comparison(e.Op); f != nil {
		o.kind, o.boolean = boolean, func(at *frame) bool { return f(l.number(at), r.number(at)) }
		return o
	}
	o.kind = number
	switch e.Op {
	case hclsyntax.OpDivide, hclsyntax.OpModulo:
		return c.division(e, l, r)
	case hclsyntax.OpAdd:
		o.number = func(f *frame) float64 { return l.number(f) + r.number(f) }
	case hclsyntax.OpSubtract:
		o.number = func(f *frame) float64 { return l.number(f) - r.number(f) }
	case hclsyntax.OpMultiply:
		o.number = func(f *frame) float64 { return l.number(f) * r.number(f) }
	default:
		c.errorAt(e.SrcRange, "Not possible here", "There is no such operator here.")
		return operand{}
	}
	return o
}

func comparison(op *hclsyntax.Operation) func(a, b float64) bool {
	switch op {
	case hclsyntax.OpGreaterThan:
		return func(a, b float64) bool { return a > b }
	case hclsyntax.OpGreaterThanOrEqual:
		return func(a, b float64) bool { return a >= b }
	case hclsyntax.OpLessThan:
		return func(a, b float64) bool { return a < b }
	case hclsyntax.OpLessThanOrEqual:
		return func(a, b float64) bool { return a <= b }
	}
	return nil
}

func (c *compiler) logical(e *hclsyntax.BinaryOpExpr, l, r operand) operand {
	left, right := c.isOf(boolean, l), c.isOf(boolean, r)
	if !left || !right {
		return operand{}
	}
	o := operand{kind: boolean, constant: l.constant && r.constant}
	if e.Op == hclsyntax.OpLogicalAnd {
		o.boolean = func(f *frame) bool { return l.boolean(f) && r.boolean(f) }
	} else {
		o.boolean = func(f *frame) bool { return l.boolean(f) || r.boolean(f) }
	}
	return o
}

// equality compares strings, numbers and booleans with their like.
func (c *compiler) equality(e *hclsyntax.BinaryOpExpr, l, r operand) operand {
	switch {
	case l.kind == broken || r.kind == broken:
		return operand{}
	case l.kind == list || r.kind == list:
		c.errorAt(e.SrcRange, "Wrong type", "Lists cannot be compared. Use contains(list, string), or compare an element.")
		return operand{}
	case l.kind != r.kind:
		hint := c.instead(l.kind, r)
		if hint == "" {
			hint = c.instead(r.kind, l)
		}
		c.errorAt(e.SrcRange, "Wrong type", "%s is never equal to %s%s.", sentence(string(l.kind)), r.kind, hint)
		return operand{}
	}
	want := e.Op == hclsyntax.OpEqual
	o := operand{kind: boolean, constant: l.constant && r.constant}
	switch l.kind {
	case text:
		o.boolean = equal(want, l.text, r.text)
	case number:
		o.boolean = equal(want, l.number, r.number)
	default:
		o.boolean = equal(want, l.boolean, r.boolean)
	}
	return o
}

func equal[T comparable](want bool, l, r func(*frame) T) func(*frame) bool {
	return func(f *frame) bool { return (l(f) == r(f)) == want }
}

func (c *compiler) division(e *hclsyntax.BinaryOpExpr, l, r operand) operand {
	if r.constant && r.number(&frame{}) == 0 {
		c.errorAt(e.SrcRange, "Division by zero", "It has no value.")
		return operand{}
	}
	divide := func(a, b float64) float64 { return a / b }
	if e.Op == hclsyntax.OpModulo {
		divide = math.Mod
	}
	at := e.SrcRange
	return operand{kind: number, constant: l.constant && r.constant, number: func(f *frame) float64 {
		a, b := l.number(f), r.number(f)
		if b == 0 && f.err == nil {
			f.err = fmt.Errorf("the expression divides by zero at line %d, column %d, for this object", at.Start.Line, at.Start.Column)
		}
		return divide(a, b)
	}}
}

// instead tells how to write the number that a string in quotes stands for.
func (c *compiler) instead(want kind, o operand) string {
	if want != number || o.kind != text || !o.constant {
		return ""
	}
	size, err := schema.ParseByteSize(o.text(&frame{}))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(": write %d, without quotes", int64(size))
}

// sentence makes a phrase the beginning of one.
func sentence(phrase string) string { return strings.ToUpper(phrase[:1]) + phrase[1:] }
