package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// source remembers where the parts of a value stand in the file, as a tree
// in the shape of the value.
type source struct {
	at      hcl.Range
	failed  bool // its error has been reported; any other is a consequence
	members map[string]*source
	elems   []*source
}

func newSource(at hcl.Range) *source {
	return &source{at: at, members: make(map[string]*source)}
}

// sourceOf follows the literal structure of an expression as far as it goes.
func sourceOf(expr hclsyntax.Expression) *source {
	s := newSource(expr.Range())
	switch expr := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		for _, elem := range expr.Exprs {
			s.elems = append(s.elems, sourceOf(elem))
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range expr.Items {
			if key, diags := item.KeyExpr.Value(nil); !diags.HasErrors() && key.Type() == cty.String && !key.IsNull() && key.IsKnown() {
				s.members[key.AsString()] = sourceOf(item.ValueExpr)
			}
		}
	}
	return s
}

// find returns the part of the source that path leads to, or the closest one
// around it if the file has no such part.
func (s *source) find(path cty.Path) *source {
	for _, step := range path {
		next := s.step(step)
		if next == nil {
			break
		}
		s = next
		if s.failed {
			break
		}
	}
	return s
}

func (s *source) step(step cty.PathStep) *source {
	switch step := step.(type) {
	case cty.GetAttrStep:
		return s.members[step.Name]
	case cty.IndexStep:
		key := step.Key
		if key == cty.NilVal || key.IsMarked() || key.IsNull() || !key.IsKnown() {
			return nil
		}
		switch key.Type() {
		case cty.String:
			return s.members[key.AsString()]
		case cty.Number:
			i, accuracy := key.AsBigFloat().Int64()
			if accuracy == 0 && i >= 0 && i < int64(len(s.elems)) {
				return s.elems[i]
			}
		}
	}
	return nil
}
