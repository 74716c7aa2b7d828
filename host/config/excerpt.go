package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// excerpt is the source line of a diagnostic, with a part of it marked and
// with secrets replaced.
type excerpt struct {
	block                 string // such as `backend "disk"`, "" outside blocks
	line                  int
	before, marked, after string
}

const (
	maxAround = 60 // runes shown before and after the marked part
	maxMarked = 80 // runes shown of the marked part
)

// excerpt cuts the first line of a range out of the source.
func (d *document) excerpt(at hcl.Range, hidden []hcl.Range) *excerpt {
	begin, end := min(at.Start.Byte, len(d.src)), min(at.End.Byte, len(d.src))
	lineBegin := bytes.LastIndexByte(d.src[:begin], '\n') + 1
	lineEnd := len(d.src)
	if i := bytes.IndexByte(d.src[begin:], '\n'); i >= 0 {
		lineEnd = begin + i
	}
	end = max(begin, min(end, lineEnd))
	for _, h := range hidden {
		if h.Start.Byte < end && begin < h.End.Byte {
			begin, end = max(lineBegin, min(begin, h.Start.Byte)), min(lineEnd, max(end, h.End.Byte))
		}
	}
	e := &excerpt{
		line:   at.Start.Line,
		before: d.visible(lineBegin, begin, hidden),
		marked: d.visible(begin, end, hidden),
		after:  strings.TrimRight(d.visible(end, lineEnd, hidden), " "),
	}
	if nav, ok := d.nav.(interface{ ContextString(offset int) string }); ok {
		e.block = nav.ContextString(at.Start.Byte)
	}
	e.shorten()
	return e
}

// visible is a part of the source with what is hidden replaced, and so that
// every rune takes one column.
func (d *document) visible(begin, end int, hidden []hcl.Range) string {
	var out strings.Builder
	for begin < end {
		inside := false
		for _, h := range hidden {
			if h.Start.Byte <= begin && begin < h.End.Byte {
				inside, begin = true, min(end, h.End.Byte)
			}
		}
		if inside {
			if !strings.HasSuffix(out.String(), schema.Redacted) {
				out.WriteString(schema.Redacted)
			}
			continue
		}
		r, size := utf8.DecodeRune(d.src[begin:])
		begin += size
		switch {
		case r == '\t':
			out.WriteByte(' ')
		case r == '\r' || unicode.Is(unicode.Mn, r):
		case !unicode.IsPrint(r):
			out.WriteRune('\uFFFD')
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

func (e *excerpt) shorten() {
	if before := []rune(e.before); len(before) > maxAround {
		e.before = "…" + string(before[len(before)-maxAround:])
	}
	if marked := []rune(e.marked); len(marked) > maxMarked {
		e.marked = string(marked[:maxMarked]) + "…"
	}
	if after := []rune(e.after); len(after) > maxAround {
		e.after = string(after[:maxAround]) + "…"
	}
}

func (e *excerpt) String() string {
	margin := fmt.Sprintf("%4d | ", e.line)
	carets := strings.Repeat("^", max(1, utf8.RuneCountInString(e.marked)))
	indent := strings.Repeat(" ", utf8.RuneCountInString(e.before))
	return fmt.Sprintf("%s%s%s%s\n%s| %s%s\n", margin, e.before, e.marked, e.after, strings.Repeat(" ", len(margin)-2), indent, carets)
}
