package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/api/internal/memory"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (f *front) list(query string) listing {
	f.t.Helper()
	a := f.do("GET", "/v1/objects"+query, "")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		f.t.Fatalf("list %s: %s %s", query, a.Status, a.body)
	}
	var page listing
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&page); err != nil {
		f.t.Fatalf("list %s: %q: %v", query, a.body, err)
	}
	return page
}

func keysOf(page listing) []string {
	keys := []string{}
	for _, o := range page.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}

func TestAnEmptyListing(t *testing.T) {
	f := startMemory(t, Options{})
	a := f.do("GET", "/v1/objects", "")
	if want := `{"objects":[],"prefixes":[],"next_token":""}` + "\n"; a.body != want {
		t.Errorf("the body is %q, want %q", a.body, want)
	}
	if head := f.do("HEAD", "/v1/objects", ""); head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(a.body)) {
		t.Errorf("HEAD: %s %v", head.Status, head.Header)
	}
}

func TestTheFieldsOfAListing(t *testing.T) {
	f := startMemory(t, Options{})
	etag := f.put("/v1/objects/a", "hello", "Content-Type: text/plain", "Stowage-TTL: 1h")
	f.put("/v1/objects/b%3Cb%3E", "")
	var page struct{ Objects []map[string]any }
	a := f.do("GET", "/v1/objects", "")
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(page.Objects) != 2 {
		t.Fatalf("%q: %v", a.body, err)
	}
	full, bare := page.Objects[0], page.Objects[1]
	if full["key"] != "a" || full["size"] != 5.0 || quote(full["etag"].(string)) != etag || full["content_type"] != "text/plain" {
		t.Errorf("the object is %v", full)
	}
	for _, name := range []string{"mod_time", "expires_at"} {
		if at, err := time.Parse(time.RFC3339, full[name].(string)); err != nil || time.Until(at).Abs() > 61*time.Minute {
			t.Errorf("%s is %v: %v", name, full[name], err)
		}
	}
	if expires, ok := bare["expires_at"]; !ok || expires != nil || bare["content_type"] != "" || bare["key"] != "b<b>" {
		t.Errorf("the bare object is %v", bare)
	}
	if len(full) != 6 || len(bare) != 6 {
		t.Errorf("the objects have the fields %v and %v", full, bare)
	}
}

func TestAFullListing(t *testing.T) {
	f := startMemory(t, Options{})
	f.put("/v1/objects/a", "hello", "Stowage-Meta-Author: me")
	f.put("/v1/objects/b", "")
	var page struct {
		Objects []struct {
			CRC32C   string
			Metadata map[string]string
		}
	}
	a := f.do("GET", "/v1/objects?full=true", "")
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(page.Objects) != 2 {
		t.Fatalf("%q: %v", a.body, err)
	}
	if o := page.Objects[0]; o.CRC32C != checksum(storage.Checksum(0, []byte("hello"))) || o.Metadata["author"] != "me" {
		t.Errorf("the object is %+v", o)
	}
	if page.Objects[1].Metadata == nil {
		t.Error("no metadata is null, not {}")
	}
}

func TestListingPages(t *testing.T) {
	f := startMemory(t, Options{})
	for _, key := range []string{"a", "b/1", "b/2", "b/2/x", "c", "d e", "é"} {
		f.put("/v1/objects/"+url.PathEscape(key), key)
	}
	for name, c := range map[string]struct {
		query          string
		keys, prefixes []string
	}{
		"all":                  {"", []string{"a", "b/1", "b/2", "b/2/x", "c", "d e", "é"}, []string{}},
		"prefix":               {"?prefix=b/", []string{"b/1", "b/2", "b/2/x"}, []string{}},
		"encoded prefix":       {"?prefix=d%20e", []string{"d e"}, []string{}},
		"plus is a space":      {"?prefix=d+e", []string{"d e"}, []string{}},
		"delimiter":            {"?delimiter=/", []string{"a", "c", "d e", "é"}, []string{"b/"}},
		"prefix and delimiter": {"?prefix=b/&delimiter=%2F", []string{"b/1", "b/2"}, []string{"b/2/"}},
		"nothing":              {"?prefix=x", []string{}, []string{}},
		"empty parameters":     {"?prefix=&delimiter=&token=&partial=false", []string{"a", "b/1", "b/2", "b/2/x", "c", "d e", "é"}, []string{}},
	} {
		page := f.list(c.query)
		if !slices.Equal(keysOf(page), c.keys) || !slices.Equal(page.Prefixes, c.prefixes) || page.NextToken != "" {
			t.Errorf("%s: %q %q %q, want %q %q", name, keysOf(page), page.Prefixes, page.NextToken, c.keys, c.prefixes)
		}
	}
	var got []string
	token := ""
	for range 10 {
		page := f.list("?delimiter=/&limit=2&token=" + url.QueryEscape(token))
		if n := len(page.Objects) + len(page.Prefixes); n > 2 {
			t.Fatalf("a page of %d entries under the limit 2", n)
		}
		got = append(append(got, keysOf(page)...), page.Prefixes...)
		if token = page.NextToken; token == "" {
			break
		}
	}
	if want := []string{"a", "b/", "c", "d e", "é"}; !slices.Equal(got, want) {
		t.Errorf("page by page: %q, want %q", got, want)
	}
}

func TestMalformedListings(t *testing.T) {
	f := startMemory(t, Options{})
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=10001", "limit=x", "limit=", "limit=1.5", "limit=%2B1", "limit=99999999999999999999",
		"token=!", "token=bm90IGEgdG9rZW4", "prefix=%ff", "prefix=%00", "prefix=%zz", "prefix=" + strings.Repeat("p", 1025),
		"delimiter=%ff", "partial=maybe", "partial=", "full=1", "prefx=a", "prefix=a&prefix=b", "prefix=a;limit=1",
	} {
		a := f.do("GET", "/v1/objects?"+query, "")
		if a.StatusCode != 400 {
			t.Errorf("%s: %s", query, a.Status)
			continue
		}
		if p := a.problem(t); p.Code != "InvalidArgument" {
			t.Errorf("%s: %+v", query, p)
		}
	}
	f.list("?limit=1")
	f.list("?limit=10000")
}

// partialBackend answers listings without one of its backends.
type partialBackend struct{ memory.Backend }

func (b *partialBackend) List(_ context.Context, opts storage.ListOptions) (storage.Page, error) {
	if !opts.AllowPartial {
		return storage.Page{}, &storage.Error{Code: storage.CodeUnavailable, Backend: "cloud"}
	}
	return storage.Page{Partial: true, FailedBackends: []string{"cloud"}}, nil
}

func TestPartialListings(t *testing.T) {
	f := start(t, new(partialBackend), Options{})
	a := f.do("GET", "/v1/objects", "")
	if p := a.problem(t); a.StatusCode != 503 || p.Backend != "cloud" || p.Code != "Unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("complete: %s %+v", a.Status, p)
	}
	if page := f.list("?partial=true"); !page.Partial || !slices.Equal(page.FailedBackends, []string{"cloud"}) || page.Objects == nil {
		t.Errorf("partial: %+v", page)
	}
}
