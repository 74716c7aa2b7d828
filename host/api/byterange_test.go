package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestRanges(t *testing.T) {
	f := startMemory(t, Options{})
	const value = "0123456789"
	f.put("/v1/objects/a", value, "Stowage-Meta-A: 1")
	f.put("/v1/objects/empty", "")
	for name, c := range map[string]struct {
		header       string
		status       int
		body         string
		contentRange string
	}{
		"span":                   {"bytes=2-4", 206, "234", "bytes 2-4/10"},
		"one byte":               {"bytes=0-0", 206, "0", "bytes 0-0/10"},
		"to the end":             {"bytes=7-", 206, "789", "bytes 7-9/10"},
		"all":                    {"bytes=0-", 206, value, "bytes 0-9/10"},
		"suffix":                 {"bytes=-3", 206, "789", "bytes 7-9/10"},
		"suffix over the length": {"bytes=-99", 206, value, "bytes 0-9/10"},
		"end past the value":     {"bytes=8-99", 206, "89", "bytes 8-9/10"},
		"unit in capitals":       {"Bytes=2-4", 206, "234", "bytes 2-4/10"},
		"end beyond int64":       {"bytes=8-99999999999999999999999", 206, "89", "bytes 8-9/10"},
		"suffix beyond int64":    {"bytes=-99999999999999999999999", 206, value, "bytes 0-9/10"},
		"start at the end":       {"bytes=10-", 416, "", "bytes */10"},
		"start past the end":     {"bytes=11-20", 416, "", "bytes */10"},
		"start beyond int64":     {"bytes=99999999999999999999999-", 416, "", "bytes */10"},
		"suffix of nothing":      {"bytes=-0", 416, "", "bytes */10"},
		"backwards":              {"bytes=4-2", 200, value, ""},
		"several":                {"bytes=0-1,3-4", 200, value, ""},
		"several, one empty":     {"bytes=0-1,", 200, value, ""},
		"other unit":             {"lines=0-1", 200, value, ""},
		"no unit":                {"0-1", 200, value, ""},
		"no dash":                {"bytes=5", 200, value, ""},
		"only a dash":            {"bytes=-", 200, value, ""},
		"negative":               {"bytes=--5", 200, value, ""},
		"sign":                   {"bytes=+1-2", 200, value, ""},
		"hexadecimal":            {"bytes=0x1-2", 200, value, ""},
		"inner space":            {"bytes=1 -2", 200, value, ""},
		"empty":                  {"", 200, value, ""},
		"two headers":            {"bytes=0-1\r\nRange: bytes=0-1", 200, value, ""},
	} {
		a := f.do("GET", "/v1/objects/a", "", "Range: "+c.header)
		if a.StatusCode != c.status || a.Header.Get("Content-Range") != c.contentRange || c.status != 416 && a.body != c.body {
			t.Errorf("%s: %s %q, Content-Range %q; want %d %q %q",
				name, a.Status, a.body, a.Header.Get("Content-Range"), c.status, c.body, c.contentRange)
		}
		if c.status == 416 {
			if p := a.problem(t); p.Code != "OutOfRange" {
				t.Errorf("%s: problem %+v", name, p)
			}
			continue
		}
		if a.ContentLength != int64(len(c.body)) || a.Header.Get("ETag") == "" || a.Header.Get("Stowage-Meta-A") != "1" {
			t.Errorf("%s: header %v", name, a.Header)
		}
		head := f.do("HEAD", "/v1/objects/a", "", "Range: "+c.header)
		if head.StatusCode != 200 || head.Header.Get("Content-Length") != "10" {
			t.Errorf("HEAD, %s: %s; a range means nothing to it", name, head.Status)
		}
	}
	for _, header := range []string{"bytes=0-", "bytes=0-0", "bytes=-1"} {
		a := f.do("GET", "/v1/objects/empty", "", "Range: "+header)
		if a.StatusCode != 416 || a.Header.Get("Content-Range") != "bytes */0" {
			t.Errorf("%s of an empty value: %s %q", header, a.Status, a.Header.Get("Content-Range"))
		}
	}
	if a := f.do("GET", "/v1/objects/missing", "", "Range: bytes=0-1"); a.StatusCode != 404 {
		t.Errorf("range of a missing key: %s", a.Status)
	}
}

func TestIfRange(t *testing.T) {
	f := startMemory(t, Options{})
	etag := f.put("/v1/objects/a", "0123456789")
	modified := f.do("HEAD", "/v1/objects/a", "").Header.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"same etag":               {[]string{"If-Range: " + etag}, 206},
		"other etag":              {[]string{`If-Range: "other"`}, 200},
		"weak etag":               {[]string{"If-Range: W/" + etag}, 200},
		"not quoted":              {[]string{"If-Range: abc"}, 200},
		"list":                    {[]string{"If-Range: " + etag + `, "b"`}, 200},
		"twice":                   {[]string{"If-Range: " + etag, "If-Range: " + etag}, 200},
		"same date":               {[]string{"If-Range: " + modified}, 206},
		"older date":              {[]string{"If-Range: " + at.Add(-time.Second).Format(http.TimeFormat)}, 200},
		"later date":              {[]string{"If-Range: " + at.Add(time.Second).Format(http.TimeFormat)}, 200},
		"empty":                   {[]string{"If-Range:"}, 200},
		"failed precondition":     {[]string{`If-Match: "other"`, "If-Range: " + etag}, 412},
		"satisfied precondition":  {[]string{"If-Match: " + etag, "If-Range: " + etag}, 206},
		"precondition, other tag": {[]string{"If-Match: " + etag, `If-Range: "other"`}, 200},
	} {
		a := f.do("GET", "/v1/objects/a", "", append(c.header, "Range: bytes=2-3")...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, a.Status, c.status)
		}
		if c.status == 206 && a.body != "23" || c.status == 200 && a.body != "0123456789" {
			t.Errorf("%s: body %q", name, a.body)
		}
	}
	if a := f.do("GET", "/v1/objects/a", "", `If-Range: "other"`, "Range: bytes=99-"); a.StatusCode != 200 || a.body != "0123456789" {
		t.Errorf("a range outside of another version: %s %q", a.Status, a.body)
	}
	if a := f.do("GET", "/v1/objects/a", "", "If-Range: "+etag, "Range: bytes=99-"); a.StatusCode != 416 {
		t.Errorf("a range outside of this version: %s", a.Status)
	}
	if a := f.do("GET", "/v1/objects/a", "", "If-Range: "+etag); a.StatusCode != 200 {
		t.Errorf("If-Range without Range: %s", a.Status)
	}
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"", "bytes=0-4", "bytes=-1", "bytes=5-", "bytes=4-2", "bytes=9223372036854775807-9223372036854775807", "bytes=0-1,2-3", "x"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, value string, size int64) {
		r := parseRange(http.Header{"Range": {value}})
		if err := r.Validate(); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if size = max(size, 0); r.IsWhole() {
			return
		}
		offset, length, err := r.Resolve(size)
		if err != nil {
			if storage.CodeOf(err) != storage.CodeOutOfRange {
				t.Fatalf("%q of %d bytes: %v", value, size, err)
			}
			return
		}
		if offset < 0 || length < 0 || length > size-offset {
			t.Fatalf("%q of %d bytes: offset %d, length %d", value, size, offset, length)
		}
	})
}
