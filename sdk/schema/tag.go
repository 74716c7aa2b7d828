package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// fieldTag is the parsed `stowage:"name,flag,flag"` tag of a struct field.
type fieldTag struct {
	name  string
	flags []string
}

func (t fieldTag) has(flag string) bool { return slices.Contains(t.flags, flag) }

func parseFieldTag(field reflect.StructField) (tag fieldTag, skip bool, err error) {
	text, ok := field.Tag.Lookup("stowage")
	switch {
	case text == "-":
		return tag, true, nil
	case !field.IsExported() && ok:
		return tag, false, fmt.Errorf("an unexported field cannot have a stowage tag")
	case !field.IsExported():
		return tag, true, nil
	case !ok:
		return tag, false, fmt.Errorf("exported field without a stowage tag: name it with `stowage:\"name\"` or leave it out with `stowage:\"-\"`")
	}
	parts := strings.Split(text, ",")
	tag = fieldTag{name: parts[0], flags: parts[1:]}
	for _, flag := range tag.flags {
		if !slices.Contains([]string{"required", "sensitive", "path", "ref", "expr"}, flag) {
			return tag, false, fmt.Errorf("unknown flag %q in the stowage tag: want required, sensitive, path, ref or expr", flag)
		}
	}
	return tag, false, nil
}

// attributeOf reads all tags of a field of attribute type t.
func attributeOf(tag fieldTag, t Type, tags reflect.StructTag) (Attribute, error) {
	a := Attribute{
		Name:      tag.name,
		Type:      t,
		Required:  tag.has("required"),
		Sensitive: tag.has("sensitive"),
		Path:      tag.has("path"),
		Ref:       tag.has("ref"),
		Expr:      tag.has("expr"),
		Pattern:   tags.Get("pattern"),
		Doc:       tags.Get("doc"),
	}
	if text, ok := tags.Lookup("enum"); ok {
		a.Enum = strings.Split(text, ",")
	}
	var err error
	if a.Min, err = parseBound(tags, "min", t); err != nil {
		return a, err
	}
	if a.Max, err = parseBound(tags, "max", t); err != nil {
		return a, err
	}
	if text, ok := tags.Lookup("default"); ok {
		if a.Default, err = parseDefault(text, t); err != nil {
			return a, fmt.Errorf("default %q: %w", text, err)
		}
	}
	return a, nil
}

// parseBound reads a min or max tag in the unit of the type: a duration as
// seconds, a size as bytes.
func parseBound(tags reflect.StructTag, key string, t Type) (*float64, error) {
	text, ok := tags.Lookup(key)
	if !ok {
		return nil, nil
	}
	var bound float64
	var err error
	switch t.scalar() {
	case Number, Integer:
		bound, err = strconv.ParseFloat(text, 64)
	case Duration:
		var d time.Duration
		d, err = time.ParseDuration(text)
		bound = d.Seconds()
	case Bytes:
		var size ByteSize
		size, err = ParseByteSize(text)
		bound = float64(size)
	default:
		return nil, fmt.Errorf("%s is for numbers, durations and sizes, not for %s", key, t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", key, text, err)
	}
	return &bound, nil
}

// parseDefault reads a default tag: a scalar as the operator would write it,
// a list as "a,b", a map as "k=v,k=v".
func parseDefault(text string, t Type) (cty.Value, error) {
	var raw cty.Value
	switch {
	case t.Elem() != t.scalar():
		return cty.NilVal, fmt.Errorf("a default can be given for scalars and for lists and maps of scalars, not for %s", t)
	case t.IsList():
		var elems []cty.Value
		for _, elem := range splitDefault(text) {
			elems = append(elems, cty.StringVal(elem))
		}
		raw = listOf(cty.String, elems)
	case t.IsMap():
		elems := make(map[string]cty.Value)
		for _, elem := range splitDefault(text) {
			key, value, ok := strings.Cut(elem, "=")
			if !ok {
				return cty.NilVal, fmt.Errorf("want key=value, got %q", elem)
			}
			elems[key] = cty.StringVal(value)
		}
		raw = mapOf(cty.String, elems)
	default:
		raw = cty.StringVal(text)
	}
	a := Attribute{Type: t}
	v, diags := a.accept(raw, nil)
	return v, diags.Err()
}

func splitDefault(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
