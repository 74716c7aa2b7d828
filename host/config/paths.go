package config

import (
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// absolutePaths returns a validated body with its path attributes made
// absolute against dir. Empty paths stay empty.
func absolutePaths(s *schema.Schema, body cty.Value, dir string) cty.Value {
	if body.IsNull() || len(s.Names()) == 0 {
		return body
	}
	attrs := body.AsValueMap()
	for i := range s.Attributes {
		if a := &s.Attributes[i]; a.Path {
			attrs[a.Name] = absolute(attrs[a.Name], dir)
		}
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		nested := attrs[b.Name]
		if b.Nesting == schema.NestingSingle {
			attrs[b.Name] = absolutePaths(&b.Body, nested, dir)
			continue
		}
		attrs[b.Name] = eachElement(nested, func(elem cty.Value) cty.Value { return absolutePaths(&b.Body, elem, dir) })
	}
	return cty.ObjectVal(attrs)
}

func absolute(v cty.Value, dir string) cty.Value {
	switch {
	case v.IsNull():
		return v
	case v.Type() != cty.String:
		return eachElement(v, func(elem cty.Value) cty.Value { return absolute(elem, dir) })
	case v.AsString() == "" || filepath.IsAbs(v.AsString()):
		return v
	}
	return cty.StringVal(filepath.Join(dir, v.AsString()))
}

// eachElement applies f to the elements of a list or map.
func eachElement(v cty.Value, f func(cty.Value) cty.Value) cty.Value {
	if v.IsNull() || v.LengthInt() == 0 {
		return v
	}
	if v.Type().IsMapType() {
		elems := v.AsValueMap()
		for key, elem := range elems {
			elems[key] = f(elem)
		}
		return cty.MapVal(elems)
	}
	elems := v.AsValueSlice()
	for i, elem := range elems {
		elems[i] = f(elem)
	}
	return cty.ListVal(elems)
}
