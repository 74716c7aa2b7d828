package schema

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Form names what an operator writes: the type, with "reference" in place of
// string for a Ref, and "expression" for an Expr.
func (a *Attribute) Form() string {
	switch {
	case a.Ref:
		return strings.Replace(a.Type.String(), string(String), "reference", 1)
	case a.Expr:
		return "expression"
	}
	return a.Type.String()
}

// DefaultText returns the default as an operator would write it, "" if there is
// none.
func (a *Attribute) DefaultText() string {
	if a.Default == cty.NilVal || a.Default.IsNull() {
		return ""
	}
	return literal(a.Type, a.Default)
}

func literal(t Type, v cty.Value) string {
	switch {
	case t.IsList():
		var elems []string
		for _, elem := range v.AsValueSlice() {
			elems = append(elems, literal(t.Elem(), elem))
		}
		return "[" + strings.Join(elems, ", ") + "]"
	case t.IsMap():
		members := v.AsValueMap()
		var elems []string
		for _, name := range slices.Sorted(maps.Keys(members)) {
			elems = append(elems, strconv.Quote(name)+" = "+literal(t.Elem(), members[name]))
		}
		return "{ " + strings.Join(elems, ", ") + " }"
	case t == Bytes:
		n, _ := v.AsBigFloat().Int64()
		return strconv.Quote(ByteSize(n).String())
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('g', 20)
	}
	return strconv.Quote(v.AsString())
}

// Limits says in a sentence which values are allowed besides what Form says,
// such as "At least 1s."; "" if all are.
func (a *Attribute) Limits() string {
	switch {
	case len(a.Enum) > 0:
		return "One of " + oneOf(quotedAll(a.Enum)) + "."
	case a.Min != nil && a.Max != nil:
		return "From " + a.bound(*a.Min) + " to " + a.bound(*a.Max) + "."
	case a.Min != nil:
		return "At least " + a.bound(*a.Min) + "."
	case a.Max != nil:
		return "At most " + a.bound(*a.Max) + "."
	case a.Pattern != "":
		return "Matches " + a.Pattern + "."
	}
	return ""
}

// bound writes Min or Max in the unit of the type.
func (a *Attribute) bound(n float64) string {
	switch a.Type.scalar() {
	case Duration:
		return formatDuration(time.Duration(n * float64(time.Second)))
	case Bytes:
		return ByteSize(n).String()
	}
	if math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func quotedAll(texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return quoted
}
