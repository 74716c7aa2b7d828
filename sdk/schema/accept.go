package schema

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

func (a *Attribute) validate(v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	if v != cty.NilVal {
		if plain, marks := v.Unmark(); plain.IsNull() {
			v = plain
		} else if len(marks) > 0 && !a.Sensitive {
			secret := *a
			secret.Sensitive = true
			return secret.accept(plain, path)
		}
	}
	switch {
	case v != cty.NilVal && !v.IsNull():
		return a.accept(v, path)
	case a.Required:
		return cty.NullVal(a.Type.CtyType()), Diagnostics{a.missing(path)}
	case a.Default != cty.NilVal:
		return a.Default, nil
	default:
		return cty.NullVal(a.Type.CtyType()), nil
	}
}

func (a *Attribute) missing(path cty.Path) Diagnostic {
	text := fmt.Sprintf("The attribute %q is required: add %s = … (%s).", a.Name, a.Name, a.Form())
	return Errorf(path, "Missing attribute", "%s", withDoc(text, a.Doc))
}

// accept turns a value that is not null into one of the attribute's type, or
// says why it cannot.
func (a *Attribute) accept(v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	return a.acceptAs(a.Type, v, path)
}

func (a *Attribute) acceptAs(t Type, v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	v, marks := v.Unmark()
	if len(marks) > 0 && !a.Sensitive {
		secret := *a
		secret.Sensitive = true
		a = &secret
	}
	switch {
	case v.IsNull() || !v.IsKnown():
		return a.reject(t, v, path)
	case t.IsList():
		return a.acceptList(t, v, path)
	case t.IsMap():
		return a.acceptMap(t, v, path)
	}
	var out cty.Value
	var problem *Diagnostic
	switch t {
	case String:
		out, problem = a.acceptString(v, path)
	case Bool:
		out = acceptBool(v)
	case Number, Integer:
		out, problem = a.acceptNumber(t, v, path)
	case Duration:
		out, problem = a.acceptDuration(v, path)
	case Bytes:
		out, problem = a.acceptBytes(v, path)
	}
	switch {
	case problem != nil:
		return cty.NullVal(t.CtyType()), Diagnostics{*problem}
	case out == cty.NilVal:
		return a.reject(t, v, path)
	}
	return out, nil
}

func (a *Attribute) acceptList(t Type, v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	if ty := v.Type(); !ty.IsListType() && !ty.IsTupleType() && !ty.IsSetType() {
		return a.reject(t, v, path)
	}
	var diags Diagnostics
	var elems []cty.Value
	for i, elem := range v.AsValueSlice() {
		out, more := a.acceptAs(t.Elem(), elem, elemOf(path, cty.NumberIntVal(int64(i))))
		elems = append(elems, out)
		diags.Append(more...)
	}
	return listOf(t.Elem().CtyType(), elems), diags
}

func (a *Attribute) acceptMap(t Type, v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	if ty := v.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		return a.reject(t, v, path)
	}
	var diags Diagnostics
	members := v.AsValueMap()
	elems := make(map[string]cty.Value, len(members))
	for _, key := range sortedNames(members) {
		at := path
		if !a.Sensitive { // else the key may be as secret as the value
			at = elemOf(path, cty.StringVal(key))
		}
		out, more := a.acceptAs(t.Elem(), members[key], at)
		elems[key] = out
		diags.Append(more...)
	}
	return mapOf(t.Elem().CtyType(), elems), diags
}

func (a *Attribute) acceptString(v cty.Value, path cty.Path) (cty.Value, *Diagnostic) {
	if v.Type() != cty.String {
		if v.Type().IsPrimitiveType() {
			return cty.NilVal, a.problem(path, "Wrong type", "must be a string, not %s: put it in quotes", typePhrase(v))
		}
		return cty.NilVal, nil
	}
	s := v.AsString()
	if a.Enum != nil && !slices.Contains(a.Enum, s) {
		hint := ""
		if meant := Suggest(s, a.Enum); meant != "" && !a.Sensitive {
			hint = fmt.Sprintf(". Did you mean %q?", meant)
		}
		return cty.NilVal, a.problem(path, "Value not allowed", "must be %s%s%s", oneOf(quotedAll(a.Enum)), a.not(s), hint)
	}
	if a.Pattern != "" {
		if re, err := regexp.Compile(a.Pattern); err == nil && !re.MatchString(s) {
			d := a.problem(path, "Wrong format", "must match the pattern %s%s", a.Pattern, a.not(s))
			d.Detail = withDoc(d.Detail, a.Doc)
			return cty.NilVal, d
		}
	}
	return v, nil
}

func acceptBool(v cty.Value) cty.Value {
	if v.Type() == cty.String {
		switch v.AsString() {
		case "true":
			return cty.True
		case "false":
			return cty.False
		}
	}
	if v.Type() != cty.Bool {
		return cty.NilVal
	}
	return v
}

// maxNumberText bounds the text of a number given as a string.
const maxNumberText = 400

func (a *Attribute) acceptNumber(t Type, v cty.Value, path cty.Path) (cty.Value, *Diagnostic) {
	if v.Type() == cty.String && len(v.AsString()) <= maxNumberText {
		parsed, err := cty.ParseNumberVal(v.AsString())
		if err != nil {
			return cty.NilVal, nil
		}
		v = parsed
	}
	if v.Type() != cty.Number {
		return cty.NilVal, nil
	}
	n := v.AsBigFloat()
	if !representable(n) {
		return cty.NilVal, a.problem(path, "Number out of range", "must be 0 or of a magnitude between 1e-300 and 1e300")
	}
	text := n.Text('g', 20)
	if t == Integer {
		if !n.IsInt() {
			return cty.NilVal, a.problem(path, "Wrong type", "must be a whole number%s", a.notNumber(text))
		}
		if i, _ := n.Int(nil); !i.IsInt64() && !i.IsUint64() {
			return cty.NilVal, a.problem(path, "Number out of range", "must fit into 64 bits%s", a.notNumber(text))
		}
	}
	return v, a.checkRange(n, a.notNumber(text), path)
}

func (a *Attribute) acceptDuration(v cty.Value, path cty.Path) (cty.Value, *Diagnostic) {
	if v.Type() == cty.Number {
		return cty.NilVal, a.problem(path, "Wrong type", `must be a duration with its unit in quotes, such as "30s" or "5m", not a bare number`)
	}
	if v.Type() != cty.String {
		return cty.NilVal, nil
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		return cty.NilVal, a.problem(path, "Not a duration", `must be a number with a unit (ns, us, ms, s, m, h), such as "30s" or "1m30s"%s`, a.not(v.AsString()))
	}
	if d < 0 && a.Min == nil {
		return cty.NilVal, a.problem(path, "Value out of range", "must not be negative%s", a.not(v.AsString()))
	}
	return v, a.checkRange(big.NewFloat(d.Seconds()), a.not(v.AsString()), path)
}

func (a *Attribute) acceptBytes(v cty.Value, path cty.Path) (cty.Value, *Diagnostic) {
	switch v.Type() {
	case cty.String:
		size, err := ParseByteSize(v.AsString())
		if err != nil {
			return cty.NilVal, a.problem(path, "Not a size", `must be a size such as "64MiB" or a number of bytes%s`, a.not(v.AsString()))
		}
		v = cty.NumberIntVal(int64(size))
	case cty.Number:
		if n := v.AsBigFloat(); n.IsInf() || !n.IsInt() || n.Sign() < 0 || n.Cmp(new(big.Float).SetInt64(maxByteSize)) > 0 {
			return cty.NilVal, a.problem(path, "Not a size", "must be a whole number of bytes, not negative and below 2^63")
		}
	default:
		return cty.NilVal, nil
	}
	n := v.AsBigFloat()
	size, _ := n.Int64()
	return v, a.checkRange(n, a.not(ByteSize(size).String()), path)
}

func (a *Attribute) checkRange(n *big.Float, not string, path cty.Path) *Diagnostic {
	low := a.Min != nil && n.Cmp(big.NewFloat(*a.Min)) < 0
	high := a.Max != nil && n.Cmp(big.NewFloat(*a.Max)) > 0
	switch {
	case !low && !high:
		return nil
	case a.Min != nil && a.Max != nil:
		return a.problem(path, "Value out of range", "must be between %s and %s%s", a.bound(*a.Min), a.bound(*a.Max), not)
	case low:
		return a.problem(path, "Value out of range", "must be at least %s%s", a.bound(*a.Min), not)
	default:
		return a.problem(path, "Value out of range", "must be at most %s%s", a.bound(*a.Max), not)
	}
}

// not quotes the value at fault, unless it is a secret.
func (a *Attribute) not(value string) string {
	if a.Sensitive {
		return ""
	}
	const most = 100
	if short := []rune(value); len(short) > most {
		value = string(short[:most]) + "…"
	}
	return ", not " + strconv.Quote(value)
}

func (a *Attribute) notNumber(text string) string {
	if a.Sensitive {
		return ""
	}
	return ", not " + text
}

// formatDuration drops the zeros that time.Duration writes after whole hours
// and minutes.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// problem is an error of the form: "NAME" must be this, not that.
func (a *Attribute) problem(path cty.Path, summary, format string, args ...any) *Diagnostic {
	d := Errorf(path, summary, "%s %s.", a.subject(path), fmt.Sprintf(format, args...))
	if before, ok := strings.CutSuffix(d.Detail, "?."); ok {
		d.Detail = before + "?"
	}
	return &d
}

func (a *Attribute) subject(path cty.Path) string {
	for i := len(path) - 1; i >= 0; i-- {
		if _, ok := path[i].(cty.GetAttrStep); ok {
			return strconv.Quote(FormatPath(path[i:]))
		}
	}
	return "The value"
}

func (a *Attribute) reject(t Type, v cty.Value, path cty.Path) (cty.Value, Diagnostics) {
	return cty.NullVal(t.CtyType()), Diagnostics{*a.problem(path, "Wrong type", "must be %s, not %s", t.phrase(), typePhrase(v))}
}

// typePhrase describes a value by its type alone.
func typePhrase(v cty.Value) string {
	ty := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case !v.IsKnown():
		return "an unknown value"
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "a boolean"
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return "a list"
	case ty.IsObjectType() || ty.IsMapType():
		return "a map"
	}
	return "a " + ty.FriendlyName()
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}
