package schema

import (
	"fmt"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Decode stores a validated value in the struct that into points to, field by
// field along its stowage tags; fields without one are left alone. What is
// null becomes a nil pointer, slice or map, or the zero value; a block that
// was left out of the configuration and whose field is a struct (not a
// pointer) gets the defaults of its attributes. Numbers that do not fit their
// field are diagnosed. The struct keeps no reference to v.
//
// v must be a result of Validate under the schema of the same struct; if it
// is not, or into is not a pointer to a struct that Reflect accepts, the one
// diagnostic says so.
func Decode(v cty.Value, into any) Diagnostics {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return Diagnostics{Errorf(nil, "Cannot decode", "The configuration can only be decoded into a pointer to a struct, not into %T.", into)}
	}
	s, err := reflectStruct(target.Elem().Type())
	if err != nil {
		return Diagnostics{Errorf(nil, "Cannot decode", "%v", err)}
	}
	if v == cty.NilVal || v.IsMarked() || v.IsNull() || !v.IsWhollyKnown() || !v.Type().Equals(s.CtyType()) {
		return Diagnostics{Errorf(nil, "Cannot decode", "The configuration has not been validated against the schema of %T.", into)}
	}
	return decodeBody(v, target.Elem(), nil)
}

// decodeBody fills a struct whose tags Reflect has accepted.
func decodeBody(v cty.Value, target reflect.Value, path cty.Path) Diagnostics {
	var diags Diagnostics
	for i := range target.NumField() {
		tag, skip, err := parseFieldTag(target.Type().Field(i))
		if err != nil || skip {
			continue
		}
		member, at := v.GetAttr(tag.name), attrOf(path, tag.name)
		if _, nesting, ok := blockType(target.Type().Field(i).Type); ok {
			diags.Append(decodeBlock(nesting, member, target.Field(i), at)...)
		} else {
			diags.Append(decodeAttribute(member, target.Field(i), at)...)
		}
	}
	return diags
}

func decodeBlock(nesting Nesting, v cty.Value, target reflect.Value, path cty.Path) Diagnostics {
	t := target.Type()
	switch {
	case nesting == NestingList:
		return decodeList(v, target, path, decodeBody)
	case nesting == NestingMap:
		return decodeMap(v, target, path, decodeBody)
	case t.Kind() == reflect.Pointer && v.IsNull():
		target.SetZero()
		return nil
	case t.Kind() == reflect.Pointer:
		target.Set(reflect.New(t.Elem()))
		return decodeBody(v, target.Elem(), path)
	case v.IsNull():
		return decodeBody(emptyBody(t), target, path)
	}
	return decodeBody(v, target, path)
}

// emptyBody is the value of a block that was not given: defaults and nulls.
// Attributes it requires are null; they are required of whoever writes the
// block, not of whoever leaves it out.
func emptyBody(t reflect.Type) cty.Value {
	s, err := schemaOf(t, nil)
	if err != nil {
		return cty.NilVal // Reflect has accepted the struct around it
	}
	attrs := make(map[string]cty.Value)
	for _, a := range s.Attributes {
		attrs[a.Name] = cty.NullVal(a.Type.CtyType())
		if a.Default != cty.NilVal {
			attrs[a.Name] = a.Default
		}
	}
	for i := range s.Blocks {
		attrs[s.Blocks[i].Name] = cty.NullVal(s.Blocks[i].ctyType())
	}
	return object(attrs)
}

func decodeAttribute(v cty.Value, target reflect.Value, path cty.Path) Diagnostics {
	if v.IsNull() {
		target.SetZero()
		return nil
	}
	switch target.Type() {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(v.AsString())
		if err != nil {
			return Diagnostics{Errorf(path, "Not a duration", "%q is not a duration.", FormatPath(path))}
		}
		target.SetInt(int64(d))
		return nil
	}
	switch target.Kind() {
	case reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		return decodeAttribute(v, target.Elem(), path)
	case reflect.Slice:
		return decodeList(v, target, path, decodeAttribute)
	case reflect.Map:
		return decodeMap(v, target, path, decodeAttribute)
	case reflect.String:
		target.SetString(v.AsString())
		return nil
	case reflect.Bool:
		target.SetBool(v.True())
		return nil
	}
	return decodeNumber(v, target, path)
}

func decodeNumber(v cty.Value, target reflect.Value, path cty.Path) Diagnostics {
	n := v.AsBigFloat()
	fits := false
	switch {
	case target.CanInt():
		if i, _ := n.Int(nil); n.IsInt() && i.IsInt64() && !target.OverflowInt(i.Int64()) {
			target.SetInt(i.Int64())
			fits = true
		}
	case target.CanUint():
		if i, _ := n.Int(nil); n.IsInt() && i.IsUint64() && !target.OverflowUint(i.Uint64()) {
			target.SetUint(i.Uint64())
			fits = true
		}
	case target.CanFloat():
		if f, _ := n.Float64(); !target.OverflowFloat(f) {
			target.SetFloat(f)
			fits = true
		}
	}
	if fits {
		return nil
	}
	return Diagnostics{Errorf(path, "Number out of range", "%q must fit into %s.", FormatPath(path), widthPhrase(target))}
}

func widthPhrase(target reflect.Value) string {
	switch {
	case target.CanInt():
		return fmt.Sprintf("a whole number of %d bits", target.Type().Bits())
	case target.CanUint():
		return fmt.Sprintf("a whole number of %d bits that is not negative", target.Type().Bits())
	default:
		return fmt.Sprintf("a number of %d bits", target.Type().Bits())
	}
}

type decoder func(v cty.Value, target reflect.Value, path cty.Path) Diagnostics

func decodeList(v cty.Value, target reflect.Value, path cty.Path, decode decoder) Diagnostics {
	if v.IsNull() {
		target.SetZero()
		return nil
	}
	var diags Diagnostics
	elems := v.AsValueSlice()
	target.Set(reflect.MakeSlice(target.Type(), len(elems), len(elems)))
	for i, elem := range elems {
		diags.Append(decode(elem, target.Index(i), elemOf(path, cty.NumberIntVal(int64(i))))...)
	}
	return diags
}

func decodeMap(v cty.Value, target reflect.Value, path cty.Path, decode decoder) Diagnostics {
	if v.IsNull() {
		target.SetZero()
		return nil
	}
	var diags Diagnostics
	members := v.AsValueMap()
	target.Set(reflect.MakeMapWithSize(target.Type(), len(members)))
	for _, name := range sortedNames(members) {
		elem := reflect.New(target.Type().Elem()).Elem()
		diags.Append(decode(members[name], elem, elemOf(path, cty.StringVal(name)))...)
		target.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), elem)
	}
	return diags
}
