package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestPutGetDelete(t *testing.T) {
	f := startMemory(t, Options{})
	created := f.do("PUT", "/v1/objects/a", "hello", "Content-Type: text/plain")
	if created.StatusCode != 201 || created.body != "" || created.Header.Get("Stowage-Created") != "yes" {
		t.Fatalf("first PUT: %s %q %v", created.Status, created.body, created.Header)
	}
	replaced := f.do("PUT", "/v1/objects/a", "hello", "Content-Type: text/plain")
	if replaced.StatusCode != 200 {
		t.Fatalf("second PUT: %s", replaced.Status)
	}
	first, second := created.Header.Get("ETag"), replaced.Header.Get("ETag")
	if first == second || !strings.HasPrefix(second, `"`) || !strings.HasSuffix(second, `"`) || len(second) < 3 {
		t.Fatalf("etags %s and %s: want two that differ, strong and quoted", first, second)
	}
	get := f.do("GET", "/v1/objects/a", "")
	if get.StatusCode != 200 || get.body != "hello" {
		t.Fatalf("GET: %s %q", get.Status, get.body)
	}
	for name, want := range map[string]string{
		"ETag": second, "Content-Length": "5", "Content-Type": "text/plain", "Accept-Ranges": "bytes",
		"X-Content-Type-Options": "nosniff", "Stowage-Expires": "", "Stowage-CRC32C": fmt.Sprintf("%08x", storage.Checksum(0, []byte("hello"))),
	} {
		if got := get.Header.Get(name); got != want {
			t.Errorf("GET: %s is %q, want %q", name, got, want)
		}
	}
	modified, err := http.ParseTime(get.Header.Get("Last-Modified"))
	if err != nil || time.Since(modified) > time.Minute || time.Until(modified) > 0 {
		t.Errorf("Last-Modified %q: %v", get.Header.Get("Last-Modified"), err)
	}
	head := f.do("HEAD", "/v1/objects/a", "")
	if head.StatusCode != 200 || head.body != "" {
		t.Fatalf("HEAD: %s %q", head.Status, head.body)
	}
	for name := range get.Header {
		if name != "Date" && head.Header.Get(name) != get.Header.Get(name) {
			t.Errorf("%s is %q with HEAD and %q with GET", name, head.Header.Get(name), get.Header.Get(name))
		}
	}
	for i, existed := range []string{"yes", "no"} {
		a := f.do("DELETE", "/v1/objects/a", "")
		if a.StatusCode != 204 || a.Header.Get("Stowage-Existed") != existed {
			t.Errorf("DELETE number %d: %s, existed %q", i+1, a.Status, a.Header.Get("Stowage-Existed"))
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		a := f.do(method, "/v1/objects/a", "")
		if a.StatusCode != 404 || a.Header.Get("Stowage-Code") != "NotFound" || a.Header.Get("Content-Type") != problemType {
			t.Errorf("%s after DELETE: %s %v", method, a.Status, a.Header)
		}
		if (a.body == "") != (method == "HEAD") {
			t.Errorf("%s after DELETE: body %q", method, a.body)
		}
	}
}

func TestAnEmptyValueIsAValue(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/empty", "")
	a := f.do("GET", "/v1/objects/empty", "")
	if a.StatusCode != 200 || a.Header.Get("Content-Length") != "0" || a.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("GET: %s %v", a.Status, a.Header)
	}
}

func TestAChunkedPutIsStored(t *testing.T) {
	f := startMemory(t, Options{})
	a := f.raw("PUT /v1/objects/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
	if a.StatusCode != 201 {
		t.Fatalf("PUT: %s %s", a.Status, a.body)
	}
	if a := f.do("GET", "/v1/objects/a", ""); a.body != "abcde" {
		t.Errorf("GET: %q", a.body)
	}
}

func TestPutIsRefused(t *testing.T) {
	f := startMemory(t, Options{})
	old := f.put("/v1/objects/a", "old")
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"compressed":              {[]string{"Content-Encoding: gzip"}, 415},
		"identity":                {[]string{"Content-Encoding: identity"}, 415},
		"part of a value":         {[]string{"Content-Range: bytes 0-2/9"}, 400},
		"long content type":       {[]string{"Content-Type: text/" + strings.Repeat("x", 300)}, 400},
		"two content types":       {[]string{"Content-Type: a/b", "Content-Type: c/d"}, 400},
		"negative TTL":            {[]string{"Stowage-TTL: -1s"}, 400},
		"TTL without unit":        {[]string{"Stowage-TTL: 60"}, 400},
		"empty TTL":               {[]string{"Stowage-TTL:"}, 400},
		"TTL over the limit":      {[]string{"Stowage-TTL: 1000000h"}, 400},
		"TTL that overflows":      {[]string{"Stowage-TTL: 99999999999h"}, 400},
		"two TTLs":                {[]string{"Stowage-TTL: 1s", "Stowage-TTL: 1s"}, 400},
		"repeated metadata":       {[]string{"Stowage-Meta-A: 1", "stowage-meta-a: 1"}, 400},
		"reserved metadata":       {[]string{"Stowage-Meta-Stowage-Version: 1"}, 400},
		"metadata without name":   {[]string{"Stowage-Meta-: 1"}, 400},
		"metadata name":           {[]string{"Stowage-Meta-A!: 1"}, 400},
		"metadata not ASCII":      {[]string{"Stowage-Meta-A: ü"}, 400},
		"metadata with a tab":     {[]string{"Stowage-Meta-A: 1\t2"}, 400},
		"metadata over 2 KiB":     {[]string{"Stowage-Meta-A: " + strings.Repeat("v", 2048)}, 400},
		"unknown consistency":     {[]string{"Stowage-Consistency: sometimes"}, 400},
		"empty consistency":       {[]string{"Stowage-Consistency:"}, 400},
		"session that is not one": {[]string{"Stowage-Session: !"}, 400},
	} {
		a := f.do("PUT", "/v1/objects/a", "new", c.header...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, a.Status, c.status)
		}
		if p := a.problem(t); p.Code != "InvalidArgument" || p.Detail == "" {
			t.Errorf("%s: problem %+v", name, p)
		}
	}
	if a := f.do("GET", "/v1/objects/a", ""); a.body != "old" || a.Header.Get("ETag") != old {
		t.Errorf("after refused PUTs the value is %q", a.body)
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1", "Stowage-Meta-Author: Jean  Luc, \"P\"", "STOWAGE-META-X_Y.z-1: =?q?=", "Stowage-Meta-Empty:",
		"Stowage-Meta-Big: "+strings.Repeat("v", 2000))
	a := f.do("GET", "/v1/objects/a", "")
	for name, want := range map[string]string{
		"Author": `Jean  Luc, "P"`, "x_y.z-1": "=?q?=", "empty": "", "big": strings.Repeat("v", 2000),
	} {
		if got := a.Header.Values("Stowage-Meta-" + name); len(got) != 1 || got[0] != want {
			t.Errorf("metadata %s is %q, want %q", name, got, want)
		}
	}
	f.put("/v1/objects/a", "2")
	if a := f.do("GET", "/v1/objects/a", ""); a.Header.Get("Stowage-Meta-Author") != "" {
		t.Error("a PUT without metadata kept the old")
	}
}

func TestExpiry(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1", "Stowage-TTL: 1h")
	a := f.do("HEAD", "/v1/objects/a", "")
	at, err := time.Parse(time.RFC3339, a.Header.Get("Stowage-Expires"))
	if err != nil || time.Until(at) > time.Hour || time.Until(at) < 59*time.Minute {
		t.Errorf("Stowage-Expires %q: %v", a.Header.Get("Stowage-Expires"), err)
	}
	f.put("/v1/objects/a", "1", "Stowage-TTL: 0")
	if a := f.do("HEAD", "/v1/objects/a", ""); a.Header.Get("Stowage-Expires") != "" {
		t.Error("TTL 0 did not take the expiry away")
	}
	f.put("/v1/objects/a", "1", "Stowage-TTL: 1ns")
	eventually(t, "the object expires", func() bool { return f.do("GET", "/v1/objects/a", "").StatusCode == 404 })
	if a := f.do("PUT", "/v1/objects/a", "2"); a.StatusCode != 201 {
		t.Errorf("PUT over an expired key: %s, want 201", a.Status)
	}
}

func TestConsistencyLevels(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "1")
	for _, level := range []string{"strong", "Eventual", "READ-YOUR-WRITES", "causal"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			if a := f.do(method, "/v1/objects/b", "", "Stowage-Consistency: "+level); a.StatusCode >= 500 || a.StatusCode == 400 {
				t.Errorf("%s with %s: %s", method, level, a.Status)
			}
		}
	}
	for _, target := range []string{"/v1/objects/a", "/v1/objects"} {
		if a := f.do("GET", target, "", "Stowage-Consistency: linear"); a.StatusCode != 400 {
			t.Errorf("GET %s with an unknown level: %s", target, a.Status)
		}
	}
}

func TestSessionsComeBack(t *testing.T) {
	f := startMemory(t, Options{})
	var s storage.Session
	s.Observe("a", 7)
	f.put("/v1/objects/a", "1")
	for _, c := range [][2]string{{"GET", "/v1/objects/a"}, {"HEAD", "/v1/objects/a"}, {"GET", "/v1/objects/none"}, {"GET", "/v1/objects"}, {"PUT", "/v1/objects/b"}, {"DELETE", "/v1/objects/b"}} {
		a := f.do(c[0], c[1], "", "Stowage-Session: "+s.Token())
		var back storage.Session
		if err := back.Merge(a.Header.Get("Stowage-Session")); err != nil || back.Least("a") != 7 {
			t.Errorf("%s %s: session %q, %v", c[0], c[1], a.Header.Get("Stowage-Session"), err)
		}
	}
	if a := f.do("GET", "/v1/objects/a", ""); a.Header.Get("Stowage-Session") != "" {
		t.Error("a session came back though none was begun")
	}
}
