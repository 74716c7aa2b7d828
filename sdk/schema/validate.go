package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Validate checks a body against the schema and returns it in the form of
// CtyType, with defaults filled in and sizes turned into numbers.
//
// v is an object or a map; null, cty.NilVal and the empty object all mean an
// empty body. Blocks are objects (single), lists of objects (list) or maps of
// objects (map). Strings that hold a number or a boolean are accepted where
// one is wanted, since that is all an environment variable can hold; numbers
// are not accepted where strings are.
//
// The value returned is good only if no diagnostic is an error. Diagnostics
// never quote a sensitive value, nor one that carries a cty mark: mark the
// values that must stay secret whatever attribute they are used for. The
// result carries no marks. Validating a validated value changes nothing.
func (s *Schema) Validate(v cty.Value) (cty.Value, Diagnostics) {
	return s.validate(v, nil)
}

func (s *Schema) validate(v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	given, diags := bodyMembers(v, path)
	if diags.HasErrors() {
		return cty.NullVal(s.CtyType()), diags
	}
	for _, name := range sortedNames(given) {
		if s.Attribute(name) == nil && s.Block(name) == nil && !given[name].IsNull() {
			diags.Append(s.Unknown("attribute", name, path))
		}
	}
	attrs := make(map[string]cty.Value)
	for i := range s.Attributes {
		a := &s.Attributes[i]
		v, more := a.validate(given[a.Name], attrOf(path, a.Name))
		attrs[a.Name] = v
		diags.Append(more...)
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		v, more := b.validate(given[b.Name], attrOf(path, b.Name))
		attrs[b.Name] = v
		diags.Append(more...)
	}
	return object(attrs), diags
}

func bodyMembers(v cty.Value, path cty.Path) (map[string]cty.Value, Diagnostics) {
	if v == cty.NilVal {
		return nil, nil
	}
	v, _ = v.Unmark()
	switch {
	case v.IsNull():
		return nil, nil
	case !v.IsKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType():
		return nil, Diagnostics{Errorf(path, "Wrong type", "A block with attributes is needed here, not %s.", typePhrase(v))}
	}
	return v.AsValueMap(), nil
}

func sortedNames(members map[string]cty.Value) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Unknown is the diagnostic for a name the body at path does not have, with
// the name that was probably meant. What is "attribute" or "block".
func (s *Schema) Unknown(what, name string, path cty.Path) Diagnostic {
	detail := fmt.Sprintf("There is no %s named %q here.", what, name)
	known := s.Names()
	switch meant := Suggest(name, known); {
	case meant != "":
		detail += fmt.Sprintf(" Did you mean %q?", meant)
	case len(known) > 0:
		detail += " Known names: " + strings.Join(known, ", ") + "."
	default:
		detail += " Nothing can be set here."
	}
	return Diagnostic{Severity: SeverityError, Summary: "Unknown " + what, Detail: detail, Path: attrOf(path, name)}
}

func (b *Block) validate(v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	if v != cty.NilVal {
		v, _ = v.Unmark()
	}
	absent := v == cty.NilVal || v.IsNull()
	if absent && b.Required {
		return cty.NullVal(b.ctyType()), Diagnostics{b.missing(path)}
	}
	switch b.Nesting {
	case NestingList, NestingMap:
		return b.validateMany(v, absent, path)
	}
	if absent {
		return cty.NullVal(b.ctyType()), nil
	}
	return b.Body.validate(v, path)
}

func (b *Block) validateMany(v cty.Value, absent bool, path cty.Path) (cty.Value, Diagnostics) {
	var diags Diagnostics
	bodies := []cty.Value{}
	labelled := make(map[string]cty.Value)
	if !absent {
		if !v.IsKnown() || !b.holds(v.Type()) {
			return cty.NullVal(b.ctyType()), Diagnostics{Errorf(path, "Wrong type", "%q is a block that can be repeated, not %s.", b.Name, typePhrase(v))}
		}
		for it := v.ElementIterator(); it.Next(); {
			key, elem := it.Element()
			if b.Nesting == NestingMap {
				key, _ = key.Unmark()
			}
			body, more := b.Body.validate(elem, elemOf(path, key))
			diags.Append(more...)
			bodies = append(bodies, body)
			if b.Nesting == NestingMap {
				labelled[key.AsString()] = body
			}
		}
	}
	switch {
	case b.Required && len(bodies) == 0:
		diags.Append(b.missing(path))
	case b.MaxItems > 0 && len(bodies) > b.MaxItems:
		diags.Append(Errorf(path, "Too many blocks", "There are %d %q blocks; at most %d are allowed.", len(bodies), b.Name, b.MaxItems))
	}
	if diags.HasErrors() {
		return cty.NullVal(b.ctyType()), diags
	}
	if b.Nesting == NestingMap {
		return mapOf(b.Body.CtyType(), labelled), diags
	}
	return listOf(b.Body.CtyType(), bodies), diags
}

func (b *Block) holds(ty cty.Type) bool {
	if b.Nesting == NestingMap {
		return ty.IsObjectType() || ty.IsMapType()
	}
	return ty.IsTupleType() || ty.IsListType()
}

func (b *Block) missing(path cty.Path) Diagnostic {
	example := b.Name + " { … }"
	if b.Nesting == NestingMap {
		example = b.Name + ` "NAME" { … }`
	}
	return Errorf(path, "Missing block", "%s", withDoc(fmt.Sprintf("The block %q is required: add %s.", b.Name, example), b.Doc))
}

func withDoc(text, doc string) string {
	if doc == "" {
		return text
	}
	return text + "\n" + doc
}
