package storage_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestListTokenRoundTrip(t *testing.T) {
	for _, p := range []storage.ListPosition{
		{After: "a"}, {After: "a/", IsPrefix: true}, {After: "é\n\x01 ?&%"}, {After: strings.Repeat("k", 1024), IsPrefix: true},
	} {
		token := p.Token()
		if got, err := storage.ParseListToken(token); err != nil || got != p {
			t.Errorf("%+v came back as %+v, %v", p, got, err)
		}
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("the token %q is not URL-safe", token)
		}
	}
	if p, err := storage.ParseListToken(""); err != nil || p != (storage.ListPosition{}) {
		t.Errorf("the empty token is %+v, %v", p, err)
	}
}

func TestParseListTokenRefuses(t *testing.T) {
	raw := base64.RawURLEncoding.EncodeToString
	good := storage.ListPosition{After: "abc"}.Token()
	for name, token := range map[string]string{
		"no base64":          "!!",
		"padding":            good + "=",
		"a line break":       good[:2] + "\n" + good[2:],
		"a stray bit":        strings.TrimSuffix(good, "M") + "N",
		"another version":    raw([]byte("2kabc")),
		"an unknown kind":    raw([]byte("1xabc")),
		"no key":             raw([]byte("1k")),
		"a key that is none": raw([]byte("1ka\x00")),
		"a key too long":     raw([]byte("1k" + strings.Repeat("k", 1025))),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := storage.ParseListToken(token)
			wantCode(t, err, storage.CodeInvalidArgument)
		})
	}
}

func TestListPositionCovers(t *testing.T) {
	cases := []struct {
		p    storage.ListPosition
		key  string
		want bool
	}{
		{storage.ListPosition{}, "a", false},
		{storage.ListPosition{After: "b"}, "a", true},
		{storage.ListPosition{After: "b"}, "b", true},
		{storage.ListPosition{After: "b"}, "b\x01", false},
		{storage.ListPosition{After: "b"}, "c", false},
		{storage.ListPosition{After: "b/", IsPrefix: true}, "b", true},
		{storage.ListPosition{After: "b/", IsPrefix: true}, "b/", true},
		{storage.ListPosition{After: "b/", IsPrefix: true}, "b/\U0010ffff", true},
		{storage.ListPosition{After: "b/", IsPrefix: true}, "b0", false},
	}
	for _, c := range cases {
		if got := c.p.Covers(c.key); got != c.want {
			t.Errorf("%+v covers %q: %v", c.p, c.key, got)
		}
	}
}

func TestCommonPrefix(t *testing.T) {
	cases := []struct {
		key, prefix, delimiter, want string
	}{
		{"a/b/c", "", "/", "a/"},
		{"a/b/c", "a/", "/", "a/b/"},
		{"a/b/c", "a/b/", "/", ""},
		{"a/b/c", "a", "/", "a/"},
		{"a//b", "a/", "/", "a//"},
		{"/a", "", "/", "/"},
		{"a::b:c", "", "::", "a::"},
		{"a", "", "/", ""},
		{"a/b", "", "", ""},
	}
	for _, c := range cases {
		got, ok := storage.CommonPrefix(c.key, c.prefix, c.delimiter)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%q below %q at %q is rolled up into %q, %v; want %q", c.key, c.prefix, c.delimiter, got, ok, c.want)
		}
	}
}

func FuzzParseListToken(f *testing.F) {
	f.Add("", "a")
	f.Add(storage.ListPosition{After: "b"}.Token(), "b/c")
	f.Add(storage.ListPosition{After: "b/", IsPrefix: true}.Token(), "b/c")
	f.Add("MWth\n", "a")
	f.Fuzz(func(t *testing.T, token, key string) {
		p, err := storage.ParseListToken(token)
		if err != nil {
			if storage.CodeOf(err) != storage.CodeInvalidArgument {
				t.Fatalf("%q: %v", token, err)
			}
			return
		}
		if token == "" {
			if p.Covers(key) {
				t.Fatalf("the beginning covers %q", key)
			}
			return
		}
		// One token for each position, and one position for each token.
		if p.Token() != token {
			t.Fatalf("%q is read as %+v, which is written %q", token, p, p.Token())
		}
		if storage.ValidateKey(p.After) != nil || !p.Covers(p.After) {
			t.Fatalf("%q ends after %q", token, p.After)
		}
		// What is not after the position in the order is covered, and nothing
		// behind all that begins with it is.
		covered := p.Covers(key)
		if key <= p.After && !covered || key > p.After && covered && !strings.HasPrefix(key, p.After) {
			t.Fatalf("%+v covers %q: %v", p, key, covered)
		}
	})
}
