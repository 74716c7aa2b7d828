package schema

import "github.com/zclconf/go-cty/cty"

// Redacted stands where a sensitive value was.
const Redacted = "(sensitive)"

// Redact returns a value of the schema's CtyType with every sensitive
// attribute replaced, to be shown or logged: strings become Redacted, lists
// and maps one element of it, numbers and booleans null. What is null stays
// null. Null values and values of another type come back as the null of the
// schema's type.
func (s *Schema) Redact(v cty.Value) cty.Value {
	ty := s.CtyType()
	v, _ = v.UnmarkDeep()
	if v == cty.NilVal || v.IsNull() || !v.IsWhollyKnown() || !v.Type().Equals(ty) {
		return cty.NullVal(ty)
	}
	attrs := v.AsValueMap()
	for i := range s.Attributes {
		a := &s.Attributes[i]
		if a.Sensitive && !attrs[a.Name].IsNull() {
			attrs[a.Name] = placeholder(a.Type.CtyType())
		}
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		attrs[b.Name] = b.redact(attrs[b.Name])
	}
	return object(attrs)
}

func (b *Block) redact(v cty.Value) cty.Value {
	if v.IsNull() {
		return v
	}
	switch b.Nesting {
	case NestingList:
		var bodies []cty.Value
		for _, body := range v.AsValueSlice() {
			bodies = append(bodies, b.Body.Redact(body))
		}
		return listOf(b.Body.CtyType(), bodies)
	case NestingMap:
		bodies := make(map[string]cty.Value)
		for label, body := range v.AsValueMap() {
			bodies[label] = b.Body.Redact(body)
		}
		return mapOf(b.Body.CtyType(), bodies)
	default:
		return b.Body.Redact(v)
	}
}

func placeholder(ty cty.Type) cty.Value {
	switch {
	case ty == cty.String:
		return cty.StringVal(Redacted)
	case ty.IsListType():
		return cty.ListVal([]cty.Value{placeholder(ty.ElementType())})
	case ty.IsMapType():
		return cty.MapVal(map[string]cty.Value{Redacted: placeholder(ty.ElementType())})
	default:
		return cty.NullVal(ty)
	}
}
