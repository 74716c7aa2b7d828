package expression

import (
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// function is one that an expression may call.
type function struct {
	usage  string
	params []kind
	// more: the last parameter may be given any number of times.
	more  bool
	build func(args []operand) operand
}

// textOrList is what length takes.
const textOrList kind = "a string or a list"

func functions() map[string]function {
	return map[string]function{
		"startswith":  test("startswith(string, prefix)", strings.HasPrefix),
		"endswith":    test("endswith(string, suffix)", strings.HasSuffix),
		"strcontains": test("strcontains(string, part)", strings.Contains),
		"lower":       change("lower(string)", strings.ToLower),
		"upper":       change("upper(string)", strings.ToUpper),
		"min":         extreme("min(number, …)", math.Min),
		"max":         extreme("max(number, …)", math.Max),
		"contains": {usage: "contains(list, string)", params: []kind{list, text}, build: func(args []operand) operand {
			in, what := args[0].list, args[1].text
			return operand{kind: boolean, boolean: func(f *frame) bool { return slices.Contains(in(f), what(f)) }}
		}},
		"matches": {usage: "matches(string, pattern)", params: []kind{text, text}, build: func(args []operand) operand {
			s, pattern := args[0].text, regexp.MustCompile(args[1].text(&frame{}))
			return operand{kind: boolean, boolean: func(f *frame) bool { return pattern.MatchString(s(f)) }}
		}},
		"length": {usage: "length(string or list)", params: []kind{textOrList}, build: func(args []operand) operand {
			if of := args[0].list; args[0].kind == list {
				return operand{kind: number, number: func(f *frame) float64 { return float64(len(of(f))) }}
			}
			of := args[0].text
			return operand{kind: number, number: func(f *frame) float64 { return float64(len(of(f))) }}
		}},
		"substr": {usage: "substr(string, offset, length)", params: []kind{text, number, number}, build: func(args []operand) operand {
			s, offset, length := args[0].text, args[1].number, args[2].number
			return operand{kind: text, text: func(f *frame) string { return substring(s(f), offset(f), length(f)) }}
		}},
		"split": {usage: "split(separator, string)", params: []kind{text, text}, build: func(args []operand) operand {
			separator, s := args[0].text, args[1].text
			return operand{kind: list, list: func(f *frame) []string { return strings.Split(s(f), separator(f)) }}
		}},
		"hash": {usage: "hash(string)", params: []kind{text}, build: func(args []operand) operand {
			s, table := args[0].text, crc32.MakeTable(crc32.Castagnoli)
			return operand{kind: number, number: func(f *frame) float64 { return float64(crc32.Checksum([]byte(s(f)), table)) }}
		}},
	}
}

func test(usage string, holds func(s, part string) bool) function {
	return function{usage: usage, params: []kind{text, text}, build: func(args []operand) operand {
		s, part := args[0].text, args[1].text
		return operand{kind: boolean, boolean: func(f *frame) bool { return holds(s(f), part(f)) }}
	}}
}

func change(usage string, to func(string) string) function {
	return function{usage: usage, params: []kind{text}, build: func(args []operand) operand {
		s := args[0].text
		return operand{kind: text, text: func(f *frame) string { return to(s(f)) }}
	}}
}

func extreme(usage string, of func(a, b float64) float64) function {
	return function{usage: usage, params: []kind{number}, more: true, build: func(args []operand) operand {
		return operand{kind: number, number: func(f *frame) float64 {
			most := args[0].number(f)
			for _, arg := range args[1:] {
				most = of(most, arg.number(f))
			}
			return most
		}}
	}}
}

func substring(s string, offset, length float64) string {
	size := float64(len(s))
	if offset < 0 {
		offset += size
	}
	begin := clamp(offset, 0, size)
	end := size
	if length >= 0 {
		end = clamp(begin+length, begin, size)
	}
	return s[int(begin):int(end)]
}

// clamp keeps a number within bounds; one that is none becomes the lower.
func clamp(n, low, high float64) float64 {
	if !(n > low) {
		return low
	}
	return min(n, high)
}

func (c *compiler) call(e *hclsyntax.FunctionCallExpr) operand {
	all := functions()
	fn, ok := all[e.Name]
	switch {
	case !ok && isVolatile(e.Name):
		c.volatile(e.Range(), e.Name+"()")
		return operand{}
	case !ok:
		known := slices.Sorted(maps.Keys(all))
		c.errorAt(e.NameRange, "Unknown function", "There is no function %s().%s", e.Name, didYouMean(e.Name, known, " The functions are "+strings.Join(known, ", ")+"."))
		return operand{}
	case e.ExpandFinal:
		c.errorAt(e.Range(), "Not possible here", "Give the arguments one by one, without \"...\".")
		return operand{}
	case len(e.Args) != len(fn.params) && (!fn.more || len(e.Args) < len(fn.params)):
		c.errorAt(e.Range(), "Wrong arguments", "It is %s.", fn.usage)
		return operand{}
	}
	args := make([]operand, len(e.Args))
	constant, good := true, true
	for i, expr := range e.Args {
		args[i] = c.operand(expr)
		constant = constant && args[i].constant
		good = c.isArgument(e.Name, fn.params[min(i, len(fn.params)-1)], args[i]) && good
	}
	if !good || e.Name == "matches" && !c.isPattern(args[1]) {
		return operand{}
	}
	o := fn.build(args)
	o.constant = constant
	return o
}

func (c *compiler) isArgument(name string, want kind, o operand) bool {
	switch {
	case want == textOrList && (o.kind == text || o.kind == list):
		return true
	case name == "contains" && want == list && o.kind == text:
		c.errorAt(o.at, "Wrong type", "This must be a list, not a string. To look for a part of a string, use strcontains(string, part).")
		return false
	}
	return c.isOf(want, o)
}

func (c *compiler) isPattern(o operand) bool {
	if !o.constant {
		c.errorAt(o.at, "Wrong pattern", "The pattern must be a string in quotes: it is compiled once.")
		return false
	}
	if _, err := regexp.Compile(o.text(&frame{})); err != nil {
		c.errorAt(o.at, "Wrong pattern", "%s.", sentence(fmt.Sprint(err)))
		return false
	}
	return true
}
