package schema

import "github.com/zclconf/go-cty/cty"

// cty wants its own constructors for what is empty.

func object(attrs map[string]cty.Value) cty.Value {
	if len(attrs) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(attrs)
}

func listOf(elem cty.Type, elems []cty.Value) cty.Value {
	if len(elems) == 0 {
		return cty.ListValEmpty(elem)
	}
	return cty.ListVal(elems)
}

func mapOf(elem cty.Type, elems map[string]cty.Value) cty.Value {
	if len(elems) == 0 {
		return cty.MapValEmpty(elem)
	}
	return cty.MapVal(elems)
}
