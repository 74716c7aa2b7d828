package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// keysOnTheWire are request targets below /v1/objects/ and the keys they mean.
var keysOnTheWire = map[string]string{
	"plain":                     "plain",
	"a/b/c":                     "a/b/c",
	"a%2Fb":                     "a/b",
	"..":                        "..",
	"../..":                     "../..",
	"a/../b":                    "a/../b",
	"./a":                       "./a",
	"a/.":                       "a/.",
	"/":                         "/",
	"//":                        "//",
	"/a":                        "/a",
	"a//b":                      "a//b",
	"a/":                        "a/",
	"%2e%2e":                    "..",
	"%252F":                     "%2F",
	"a+b":                       "a+b",
	"a%20b":                     "a b",
	"a%3Fb":                     "a?b",
	"a%23b":                     "a#b",
	"a#b":                       "a#b",
	"a;b=c&d":                   "a;b=c&d",
	`a\b`:                       `a\b`,
	"%0a%0D%7f":                 "\n\r\x7f",
	"gr%C3%BC%C3%9Fe":           "grüße",
	"grüße/日本":                  "grüße/日本",
	"%F0%9F%97%84":              "🗄",
	"e%CC%81":                   "e\u0301",
	"CON":                       "CON",
	"http://elsewhere/v1/x":     "http://elsewhere/v1/x",
	strings.Repeat("k", 1024):   strings.Repeat("k", 1024),
	strings.Repeat("%41", 1024): strings.Repeat("A", 1024),
}

func TestKeysAreTakenAsTheyAre(t *testing.T) {
	f := startMemory(t, Options{})
	for target, key := range keysOnTheWire {
		f.put(objectPath+target, "value of "+key)
		for _, spelling := range []string{objectPath + target, objectPath + url.PathEscape(key), "http://" + f.addr + objectPath + target} {
			a := f.do("GET", spelling, "")
			if a.StatusCode != 200 || a.body != "value of "+key {
				t.Errorf("GET %s: %s %q, want the value of %q", spelling, a.Status, a.body, key)
			}
		}
		var page listing
		a := f.do("GET", "/v1/objects?limit=1&prefix="+url.QueryEscape(key), "")
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatalf("listing %q: %v", a.body, err)
		}
		if len(page.Objects) != 1 || page.Objects[0].Key != key {
			t.Errorf("the listing of %q has %+v", key, page.Objects)
		}
	}
}

func TestAQueryIsNoPartOfAKey(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1")
	if a := f.do("GET", "/v1/objects/a?b=%zz", ""); a.body != "1" {
		t.Errorf("GET with a query: %s %q", a.Status, a.body)
	}
}

func TestMalformedTargets(t *testing.T) {
	f := startMemory(t, Options{})
	for name, target := range map[string]string{
		"empty key":           "/v1/objects/",
		"empty key and query": "/v1/objects/?prefix=a",
		"NUL":                 "/v1/objects/a%00b",
		"broken escape":       "/v1/objects/%zz",
		"cut escape":          "/v1/objects/a%2",
		"lone percent":        "/v1/objects/100%",
		"not UTF-8":           "/v1/objects/%ff",
		"surrogate":           "/v1/objects/%ED%A0%80",
		"too long":            "/v1/objects/" + strings.Repeat("k", 1025),
		"space":               "/v1/objects/a b",
		"raw control":         "/v1/objects/a\x01b",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			a := f.do(method, target, "")
			if a.StatusCode != 400 {
				t.Errorf("%s %s: %s, want 400", method, name, a.Status)
				continue
			}
			if p := a.problem(t); p.Code != "InvalidArgument" || p.Status != 400 || a.Header.Get("Stowage-Code") != p.Code {
				t.Errorf("%s %s: problem %+v", method, name, p)
			}
		}
	}
}

func TestOtherPaths(t *testing.T) {
	f := startMemory(t, Options{})
	for _, target := range []string{
		"/", "/v1", "/v1/", "/v1/object/a", "//v1/objects/a", "/v1//objects/a", "/v1/./objects/a", "/v1/objects/../status2",
		"/v1%2Fobjects/a", "/V1/objects/a", "/v1/status/", "/healthz/x",
	} {
		a := f.do("GET", target, "")
		if a.StatusCode != 404 {
			t.Errorf("GET %s: %s, want 404", target, a.Status)
		}
		if p := a.problem(t); p.Code != "NotFound" {
			t.Errorf("GET %s: code %q", target, p.Code)
		}
	}
}

func TestMethods(t *testing.T) {
	f := startMemory(t, Options{})
	const object, read = "GET, HEAD, PUT, DELETE", "GET, HEAD"
	for _, c := range []struct{ method, target, allow string }{
		{"POST", "/v1/objects/a", object},
		{"PATCH", "/v1/objects/a", object},
		{"OPTIONS", "/v1/objects/a", object},
		{"TRACE", "/v1/objects/a", object},
		{"get", "/v1/objects/a", object},
		{"LIST", "/v1/objects", read},
		{"PUT", "/v1/objects", read},
		{"DELETE", "/v1/objects", read},
		{"POST", "/v1/status", read},
		{"POST", "/healthz", read},
		{"POST", "/readyz", read},
		{"POST", "/metrics", read},
	} {
		a := f.do(c.method, c.target, "")
		if a.StatusCode != 405 || a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %s, Allow %q; want 405 and %q", c.method, c.target, a.Status, a.Header.Get("Allow"), c.allow)
		}
		if p := a.problem(t); p.Code != "Unimplemented" {
			t.Errorf("%s %s: code %q", c.method, c.target, p.Code)
		}
	}
	if a := f.do("OPTIONS", "*", ""); a.StatusCode != 204 || a.Header.Get("Allow") != object {
		t.Errorf("OPTIONS *: %s, Allow %q", a.Status, a.Header.Get("Allow"))
	}
}

func FuzzDecodeKey(f *testing.F) {
	for escaped := range keysOnTheWire {
		f.Add(escaped)
	}
	f.Add("%")
	f.Add("%00")
	f.Add("%ff")
	f.Fuzz(func(t *testing.T, escaped string) {
		key, err := decodeKey(escaped)
		if err != nil {
			if storage.CodeOf(err) != storage.CodeInvalidArgument {
				t.Fatalf("decodeKey(%q): %v", escaped, err)
			}
			return
		}
		if storage.ValidateKey(key) != nil || !utf8.ValidString(key) {
			t.Fatalf("decodeKey(%q) let %q pass", escaped, key)
		}
		if again, err := decodeKey(url.PathEscape(key)); err != nil || again != key {
			t.Fatalf("%q came back as %q, %v", key, again, err)
		}
	})
}
