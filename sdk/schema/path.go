package schema

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// AttrPath returns the path of an attribute inside nested single blocks:
// AttrPath("retry", "max") is the attribute max of the block retry. For an
// element of a list or a labelled block, go on with the methods of cty.Path:
// AttrPath("rule").IndexInt(2).GetAttr("name").
func AttrPath(names ...string) cty.Path {
	path := make(cty.Path, len(names))
	for i, name := range names {
		path[i] = cty.GetAttrStep{Name: name}
	}
	return path
}

// FormatPath writes a path as an operator would: `retry.max`,
// `rule[2].name`, `header["Host"]`. An empty path is "".
func FormatPath(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Name)
		case cty.IndexStep:
			b.WriteString("[" + formatKey(step.Key) + "]")
		}
	}
	return b.String()
}

func formatKey(key cty.Value) string {
	switch {
	case key == cty.NilVal || key.IsMarked() || key.IsNull() || !key.IsKnown():
		return "…"
	case key.Type() == cty.String:
		return strconv.Quote(key.AsString())
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('g', 20)
	}
	return "…"
}

// extend returns path with one step more, sharing no memory with it.
func extend(path cty.Path, step cty.PathStep) cty.Path {
	longer := make(cty.Path, len(path), len(path)+1)
	copy(longer, path)
	return append(longer, step)
}

func attrOf(path cty.Path, name string) cty.Path {
	return extend(path, cty.GetAttrStep{Name: name})
}

func elemOf(path cty.Path, key cty.Value) cty.Path {
	return extend(path, cty.IndexStep{Key: key})
}
