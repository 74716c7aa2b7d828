package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestConditionsOfReads(t *testing.T) {
	f := startMemory(t, Options{})
	etag := f.put("/v1/objects/a", "hello")
	modified := f.do("HEAD", "/v1/objects/a", "").Header.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil {
		t.Fatal(err)
	}
	before := at.Add(-time.Hour).Format(http.TimeFormat)
	for name, c := range map[string]struct {
		header  []string
		status  int
		missing int
	}{
		"match":                         {[]string{"If-Match: " + etag}, 200, 404},
		"match any":                     {[]string{"If-Match: *"}, 200, 404},
		"no match":                      {[]string{`If-Match: "other"`}, 412, 404},
		"none match":                    {[]string{"If-None-Match: " + etag}, 304, 404},
		"none match any":                {[]string{"If-None-Match: *"}, 304, 404},
		"none match, other":             {[]string{`If-None-Match: "other"`}, 200, 404},
		"match and none match":          {[]string{"If-Match: " + etag, "If-None-Match: " + etag}, 304, 404},
		"no match wins":                 {[]string{`If-Match: "other"`, "If-None-Match: " + etag}, 412, 404},
		"not modified":                  {[]string{"If-Modified-Since: " + modified}, 304, 404},
		"modified":                      {[]string{"If-Modified-Since: " + before}, 200, 404},
		"etag beats date":               {[]string{`If-None-Match: "other"`, "If-Modified-Since: " + modified}, 200, 404},
		"malformed date":                {[]string{"If-Modified-Since: yesterday"}, 200, 404},
		"unmodified":                    {[]string{"If-Unmodified-Since: " + modified}, 200, 404},
		"not unmodified":                {[]string{"If-Unmodified-Since: " + before}, 412, 404},
		"match beats unmodified":        {[]string{"If-Match: " + etag, "If-Unmodified-Since: " + before}, 200, 404},
		"weak":                          {[]string{"If-None-Match: W/" + etag}, 400, 400},
		"weak match":                    {[]string{"If-Match: W/" + etag}, 400, 400},
		"list":                          {[]string{"If-None-Match: " + etag + `, "b"`}, 400, 400},
		"list over two lines":           {[]string{"If-Match: " + etag, `If-Match: "b"`}, 400, 400},
		"empty etag":                    {[]string{`If-Match: ""`}, 400, 400},
		"empty header":                  {[]string{"If-Match:"}, 400, 400},
		"not quoted":                    {[]string{"If-Match: " + strings.Trim(etag, `"`)}, 400, 400},
		"star in quotes is an etag":     {[]string{`If-Match: "*"`}, 412, 404},
		"comma in quotes is no list":    {[]string{`If-Match: "a,b"`}, 412, 404},
		"precondition before a range":   {[]string{"If-None-Match: " + etag, "Range: bytes=99-"}, 304, 404},
		"failed precondition, range":    {[]string{`If-Match: "other"`, "Range: bytes=0-1"}, 412, 404},
		"etag that no etag can be":      {[]string{`If-Match: "ü"`}, 400, 400},
		"etag longer than etags may be": {[]string{`If-Match: "` + strings.Repeat("e", 300) + `"`}, 400, 400},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := f.do(method, "/v1/objects/a", "", c.header...)
			want := c.status
			if a.StatusCode != want {
				t.Errorf("%s, %s: %s, want %d", method, name, a.Status, want)
			}
			if (want == 304 || want == 412 || want == 200) && a.Header.Get("ETag") != etag {
				t.Errorf("%s, %s: the answer %d has the etag %q, want the current %q", method, name, want, a.Header.Get("ETag"), etag)
			}
			if (want == 304 || method == "HEAD") && a.body != "" {
				t.Errorf("%s, %s: body %q", method, name, a.body)
			}
			if a := f.do(method, "/v1/objects/missing", "", c.header...); a.StatusCode != c.missing {
				t.Errorf("%s of a missing key, %s: %s, want %d", method, name, a.Status, c.missing)
			}
		}
	}
}

func TestConditionsOfWrites(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		// status of a PUT and a DELETE, of a present and a missing key
		put, putMissing, del, delMissing int
	}{
		"match":              {[]string{"If-Match: ETAG"}, 200, 412, 204, 412},
		"no match":           {[]string{`If-Match: "other"`}, 412, 412, 412, 412},
		"exists":             {[]string{"If-Match: *"}, 200, 412, 204, 412},
		"absent":             {[]string{"If-None-Match: *"}, 412, 201, 400, 400},
		"none match an etag": {[]string{"If-None-Match: ETAG"}, 400, 400, 400, 400},
		"both":               {[]string{"If-Match: *", "If-None-Match: *"}, 400, 400, 400, 400},
		"weak":               {[]string{"If-Match: W/ETAG"}, 400, 400, 400, 400},
		"list":               {[]string{`If-Match: ETAG, "b"`}, 400, 400, 400, 400},
		"list with a star":   {[]string{`If-Match: *, ETAG`}, 400, 400, 400, 400},
		"empty etag":         {[]string{`If-Match: ""`}, 400, 400, 400, 400},
		"empty header":       {[]string{"If-None-Match:"}, 400, 400, 400, 400},
		"cut quote":          {[]string{`If-Match: "abc`}, 400, 400, 400, 400},
		"by date":            {[]string{"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, 501, 501, 501, 501},
		"modified since":     {[]string{"If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, 200, 201, 204, 204},
	} {
		t.Run(name, func(t *testing.T) {
			f := startMemory(t, Options{})
			try := func(method, target, etag string, want int) {
				var header []string
				for _, line := range c.header {
					header = append(header, strings.ReplaceAll(line, "ETAG", etag))
				}
				a := f.do(method, target, "new", header...)
				if a.StatusCode != want {
					t.Errorf("%s %s: %s, want %d; %s", method, target, a.Status, want, a.body)
				}
				if want != 412 {
					return
				}
				if p := a.problem(t); p.Code != "FailedPrecondition" {
					t.Errorf("%s %s: problem %+v", method, target, p)
				}
				current := f.do("HEAD", target, "").Header.Get("ETag")
				if got := a.Header.Get("ETag"); got != current {
					t.Errorf("%s %s: 412 with the etag %q, the current is %q", method, target, got, current)
				}
			}
			try("PUT", "/v1/objects/put", f.put("/v1/objects/put", "old"), c.put)
			try("DELETE", "/v1/objects/delete", f.put("/v1/objects/delete", "old"), c.del)
			try("PUT", "/v1/objects/missing", `"gone"`, c.putMissing)
			try("DELETE", "/v1/objects/missing2", `"gone"`, c.delMissing)
			if c.put >= 400 {
				if a := f.do("GET", "/v1/objects/put", ""); a.body != "old" {
					t.Errorf("after a refused PUT the value is %q", a.body)
				}
			}
		})
	}
}

func FuzzParseEntityTag(f *testing.F) {
	for _, seed := range []string{"", "*", `"a"`, `W/"a"`, `""`, `"a", "b"`, `"a`, `a"`, `"a" x`, "\"\x00\"", `"a",`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		tag, err := parseEntityTag(http.Header{"If-Match": {value}}, "If-Match")
		if err != nil {
			if storage.CodeOf(err) != storage.CodeInvalidArgument {
				t.Fatalf("%q: %v", value, err)
			}
			return
		}
		if !tag.set || tag.any != (value == "*") {
			t.Fatalf("%q: %+v", value, tag)
		}
		if !tag.any && (storage.ValidateETag(tag.etag) != nil || quote(tag.etag) != value) {
			t.Fatalf("%q was taken for the etag %q", value, tag.etag)
		}
	})
}
