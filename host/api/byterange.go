package api

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// parseRange returns what a Range header asks for: the whole value if there is
// none, if it is malformed, or if it names several ranges.
func parseRange(header http.Header) storage.Range {
	values := header.Values("Range")
	if len(values) != 1 {
		return storage.Range{}
	}
	unit, spec, ok := strings.Cut(values[0], "=")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return storage.Range{}
	}
	first, last, ok := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !ok || !digits(first) || !digits(last) {
		return storage.Range{}
	}
	switch from, to := saturate(first), saturate(last); {
	case first == "" && last == "":
		return storage.Range{}
	case first == "":
		return storage.RangeLast(to)
	case last == "" || to == math.MaxInt64:
		return storage.RangeFrom(from)
	case to < from:
		return storage.Range{}
	default:
		return storage.RangeOf(from, to-from+1)
	}
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// saturate is the number s writes in digits, or the largest there is.
func saturate(s string) int64 {
	var n int64
	for i := range len(s) {
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return math.MaxInt64
		}
		n = n*10 + d
	}
	return n
}

// rangeCondition is an If-Range header: the range holds for this version
// only.
type rangeCondition struct {
	set  bool
	etag string
	date time.Time
}

func parseIfRange(header http.Header) rangeCondition {
	values := header.Values("If-Range")
	if len(values) == 0 {
		return rangeCondition{}
	}
	c := rangeCondition{set: true}
	if len(values) > 1 {
		return c
	}
	if etag, reason := unquote(values[0]); reason == "" {
		c.etag = etag
	} else if t, err := http.ParseTime(values[0]); err == nil {
		c.date = t
	}
	return c
}

// holds reports whether the range may be answered from o. A weak or malformed
// validator never holds.
func (c rangeCondition) holds(o storage.Object) bool {
	switch {
	case !c.set:
		return true
	case c.etag != "":
		return c.etag == o.ETag
	default:
		return !c.date.IsZero() && c.date.Equal(o.ModTime.Truncate(time.Second))
	}
}
