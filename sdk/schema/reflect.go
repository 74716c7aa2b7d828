package schema

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Reflect returns the schema that the fields and tags of a struct describe;
// the package documentation lists the tags. v is a struct or a pointer to one
// (which may be nil, only its type counts); nil means no configuration at
// all. A field or tag that makes no sense is an error that names the struct
// and the field.
func Reflect(v any) (*Schema, error) {
	if v == nil {
		return &Schema{}, nil
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("reflect configuration schema: want a struct or a pointer to one, got %T", v)
	}
	return reflectStruct(t)
}

func reflectStruct(t reflect.Type) (*Schema, error) {
	s, err := schemaOf(t, nil)
	if err != nil {
		return nil, fmt.Errorf("reflect configuration schema: %w", err)
	}
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("reflect configuration schema: %s: %w", t, err)
	}
	return s, nil
}

func schemaOf(t reflect.Type, outer []reflect.Type) (*Schema, error) {
	if slices.Contains(outer, t) {
		return nil, fmt.Errorf("%s: a block cannot contain itself", t)
	}
	outer = append(slices.Clone(outer), t)
	s := &Schema{}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Name == "_" {
			s.Doc = field.Tag.Get("doc")
			continue
		}
		if err := s.addField(field, outer); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Schema) addField(field reflect.StructField, outer []reflect.Type) error {
	owner := outer[len(outer)-1]
	tag, skip, err := parseFieldTag(field)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", owner, field.Name, err)
	}
	if skip {
		return nil
	}
	if body, nesting, ok := blockType(field.Type); ok {
		block, err := blockOf(tag, nesting, field.Tag)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", owner, field.Name, err)
		}
		inner, err := schemaOf(body, outer)
		if err != nil {
			return err
		}
		block.Body = *inner
		if block.Doc == "" {
			block.Doc = inner.Doc
		}
		s.Blocks = append(s.Blocks, block)
		return nil
	}
	t, ok := attributeType(indirect(field.Type), 0)
	if !ok {
		return fmt.Errorf("%s.%s: a field of type %s cannot be configured: use a string, bool, number, time.Duration, schema.ByteSize, a slice or map[string] of those, or a struct", owner, field.Name, field.Type)
	}
	a, err := attributeOf(tag, t, field.Tag)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", owner, field.Name, err)
	}
	a.boundByWidth(scalarOf(field.Type))
	s.Attributes = append(s.Attributes, a)
	return nil
}

// blockType recognises the fields that are blocks and returns the type of
// their body.
func blockType(t reflect.Type) (reflect.Type, Nesting, bool) {
	nesting := NestingSingle
	switch {
	case t.Kind() == reflect.Pointer:
		t = t.Elem()
	case t.Kind() == reflect.Slice:
		t, nesting = t.Elem(), NestingList
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		t, nesting = t.Elem(), NestingMap
	}
	return t, nesting, t.Kind() == reflect.Struct
}

func blockOf(tag fieldTag, nesting Nesting, tags reflect.StructTag) (Block, error) {
	b := Block{Name: tag.name, Nesting: nesting, Required: tag.has("required"), Doc: tags.Get("doc")}
	for _, flag := range tag.flags {
		if flag != "required" {
			return b, fmt.Errorf("the flag %s is for attributes, not for blocks", flag)
		}
	}
	for _, key := range []string{"default", "enum", "min", "pattern"} {
		if _, ok := tags.Lookup(key); ok {
			return b, fmt.Errorf("%s is for attributes, not for blocks", key)
		}
	}
	if text, ok := tags.Lookup("max"); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || nesting == NestingSingle {
			return b, fmt.Errorf("max %q: on a list or map of blocks it is the largest number of them, at least 1", text)
		}
		b.MaxItems = n
	}
	return b, nil
}

func attributeType(t reflect.Type, depth int) (Type, bool) {
	if depth > maxTypeDepth {
		return "", false
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return Duration, true
	case reflect.TypeFor[ByteSize]():
		return Bytes, true
	case reflect.TypeFor[[]byte]():
		return "", false
	}
	switch t.Kind() {
	case reflect.String:
		return String, true
	case reflect.Bool:
		return Bool, true
	case reflect.Float32, reflect.Float64:
		return Number, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Integer, true
	case reflect.Slice:
		elem, ok := attributeType(t.Elem(), depth+1)
		return ListOf(elem), ok
	case reflect.Map:
		elem, ok := attributeType(t.Elem(), depth+1)
		return MapOf(elem), ok && t.Key().Kind() == reflect.String
	}
	return "", false
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func scalarOf(t reflect.Type) reflect.Type {
	for {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			t = t.Elem()
		default:
			return t
		}
	}
}

// boundByWidth gives an integer attribute without bounds those of the field
// it is decoded into, where a float64 holds them exactly.
func (a *Attribute) boundByWidth(t reflect.Type) {
	if a.Type.scalar() != Integer {
		return
	}
	var low, high *float64
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32:
		bits := t.Bits() - 1
		low, high = new(-math.Ldexp(1, bits)), new(math.Ldexp(1, bits)-1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		low, high = new(0.0), new(math.Ldexp(1, t.Bits())-1)
	case reflect.Uint, reflect.Uint64:
		low = new(0.0)
	}
	if a.Min == nil {
		a.Min = low
	}
	if a.Max == nil {
		a.Max = high
	}
}
