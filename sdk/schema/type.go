package schema

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Type names the type of an attribute in the words an operator reads:
// one of the constants below, or "list(T)" or "map(T)" of another type.
// Types are comparable and can be written as constants.
type Type string

// The scalar types.
const (
	String   Type = "string"
	Bool     Type = "bool"
	Number   Type = "number"   // a whole or fractional number within the range of a float64
	Integer  Type = "integer"  // a whole number within the range of an int64 or uint64
	Duration Type = "duration" // a string with units, such as "1m30s"; never a bare number
	Bytes    Type = "bytes"    // a size: a whole number of bytes, or a string such as "64MiB"
)

// maxTypeDepth bounds list(list(…)), which a hostile plugin could nest.
const maxTypeDepth = 8

// ListOf returns the type "list(elem)".
func ListOf(elem Type) Type { return "list(" + elem + ")" }

// MapOf returns the type "map(elem)", whose keys are strings.
func MapOf(elem Type) Type { return "map(" + elem + ")" }

// ParseType is the inverse of String. It accepts no spaces and at most eight
// levels of nesting.
func ParseType(s string) (Type, error) {
	t := Type(s)
	for range maxTypeDepth {
		switch t {
		case String, Bool, Number, Integer, Duration, Bytes:
			return Type(s), nil
		}
		elem, ok := t.elem()
		if !ok {
			return "", fmt.Errorf("unknown attribute type %q: want string, bool, number, integer, duration, bytes, list(T) or map(T)", s)
		}
		t = elem
	}
	return "", fmt.Errorf("attribute type %.40q… is nested more than %d levels deep", s, maxTypeDepth)
}

// String returns the type as ParseType reads it.
func (t Type) String() string { return string(t) }

// IsList reports whether the type is list(T); Elem returns T.
func (t Type) IsList() bool { return strings.HasPrefix(string(t), "list(") }

// IsMap reports whether the type is map(T); Elem returns T.
func (t Type) IsMap() bool { return strings.HasPrefix(string(t), "map(") }

// Elem returns the T of list(T) and map(T), and the type itself of a scalar.
func (t Type) Elem() Type {
	if elem, ok := t.elem(); ok {
		return elem
	}
	return t
}

func (t Type) elem() (Type, bool) {
	s, ok := strings.CutPrefix(string(t), "list(")
	if !ok {
		s, ok = strings.CutPrefix(string(t), "map(")
	}
	if ok {
		s, ok = strings.CutSuffix(s, ")")
	}
	return Type(s), ok
}

// scalar is the type at the bottom of all lists and maps: the one that an
// attribute's enum, min, max and pattern speak about.
func (t Type) scalar() Type {
	for {
		elem, ok := t.elem()
		if !ok {
			return t
		}
		t = elem
	}
}

// CtyType returns the type of a validated value: a duration is a string in
// the form time.ParseDuration reads, a size is a whole number of bytes.
// The type must be one that ParseType accepts; any other yields
// cty.DynamicPseudoType.
func (t Type) CtyType() cty.Type {
	switch t {
	case String, Duration:
		return cty.String
	case Bool:
		return cty.Bool
	case Number, Integer, Bytes:
		return cty.Number
	}
	elem, ok := t.elem()
	switch {
	case !ok:
		return cty.DynamicPseudoType
	case t.IsList():
		return cty.List(elem.CtyType())
	default:
		return cty.Map(elem.CtyType())
	}
}

// phrase is the type as it reads in "must be …".
func (t Type) phrase() string {
	switch t {
	case String:
		return "a string"
	case Bool:
		return "true or false"
	case Number:
		return "a number"
	case Integer:
		return "a whole number"
	case Duration:
		return `a duration such as "30s" or "5m"`
	case Bytes:
		return `a size such as "64MiB" or a number of bytes`
	}
	if t.IsList() {
		return "a list of " + t.Elem().plural()
	}
	return "a map of " + t.Elem().plural()
}

func (t Type) plural() string {
	switch {
	case t == Bool:
		return "booleans"
	case t == Integer:
		return "whole numbers"
	case t == Bytes:
		return "sizes"
	case t.IsList():
		return "lists of " + t.Elem().plural()
	case t.IsMap():
		return "maps of " + t.Elem().plural()
	}
	return string(t) + "s"
}
