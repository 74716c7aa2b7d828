package storage_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestValidateKey(t *testing.T) {
	cases := []struct {
		name string
		key  string
		ok   bool
	}{
		{"one byte", "a", true},
		{"a slash", "/", true},
		{"dots", "../..", true},
		{"doubled slashes", "a//b", true},
		{"a backslash", `a\b`, true},
		{"control characters", "\x01\n\x7f", true},
		{"a space", " ", true},
		{"unicode", "é/日本語/🦀", true},
		{"the replacement character", "\ufffd", true},
		{"1024 bytes", strings.Repeat("k", 1024), true},
		{"1024 bytes of runes", strings.Repeat("é", 512), true},
		{"empty", "", false},
		{"1025 bytes", strings.Repeat("k", 1025), false},
		{"513 runes of two bytes", strings.Repeat("é", 513), false},
		{"NUL", "a\x00b", false},
		{"broken UTF-8", "a\xff", false},
		{"half a rune", "\xc3", false},
		{"a surrogate", "\xed\xa0\x80", false},
		{"an overlong slash", "\xc0\xaf", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			valid(t, storage.ValidateKey(c.key), c.ok)
			if c.key != "" {
				valid(t, storage.ValidatePrefix(c.key), c.ok)
			}
		})
	}
	valid(t, storage.ValidatePrefix(""), true)
}

func TestValidateETag(t *testing.T) {
	for etag, ok := range map[string]bool{
		"v1": true, "!#~": true, strings.Repeat("e", 256): true, `W/x`: true,
		"": false, strings.Repeat("e", 257): false, "a b": false, `"v1"`: false, "é": false, "a\n": false, "\x7f": false,
	} {
		t.Run(etag, func(t *testing.T) { valid(t, storage.ValidateETag(etag), ok) })
	}
}

func TestValidateContentType(t *testing.T) {
	for contentType, ok := range map[string]bool{
		"": true, "text/plain; charset=utf-8": true, strings.Repeat("t", 256): true,
		strings.Repeat("t", 257): false, " text/plain": false, "text/plain ": false, "text\nplain": false, "té": false,
	} {
		t.Run(contentType, func(t *testing.T) { valid(t, storage.ValidateContentType(contentType), ok) })
	}
}

func TestValidateMetadata(t *testing.T) {
	of := func(size int) map[string]string { return map[string]string{"n": strings.Repeat("v", size-1)} }
	cases := []struct {
		name            string
		metadata        map[string]string
		backend, caller bool
	}{
		{"none", nil, true, true},
		{"every kind of name", map[string]string{"a": "", "0-9_a.z": "A b  c~!"}, true, true},
		{"2 KiB", of(2048), true, true},
		{"over 2 KiB", of(2049), true, false},
		{"4 KiB", of(4096), true, false},
		{"over 4 KiB", of(4097), false, false},
		{"names count", map[string]string{strings.Repeat("n", 2000): strings.Repeat("v", 49)}, true, false},
		{"a reserved name", map[string]string{"stowage-version": "1"}, true, false},
		{"almost a reserved name", map[string]string{"stowage": "1", "x-stowage-": "1"}, true, true},
		{"an empty name", map[string]string{"": "v"}, false, false},
		{"an upper-case name", map[string]string{"Name": "v"}, false, false},
		{"a name that begins with a dash", map[string]string{"-a": "v"}, false, false},
		{"a name with a space", map[string]string{"a b": "v"}, false, false},
		{"a leading space", map[string]string{"a": " v"}, false, false},
		{"a trailing space", map[string]string{"a": "v "}, false, false},
		{"a line break", map[string]string{"a": "v\r\nx: y"}, false, false},
		{"not ASCII", map[string]string{"a": "é"}, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			valid(t, storage.ValidateMetadata(c.metadata), c.backend)
			valid(t, storage.ValidateCallerMetadata(c.metadata), c.caller)
		})
	}
}

func FuzzValidateKey(f *testing.F) {
	for _, key := range []string{"", "a", "a\x00", "\xff", "é", "../x", strings.Repeat("k", 1024), strings.Repeat("k", 1025)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		ok := storage.ValidateKey(key) == nil
		if want := len(key) >= 1 && len(key) <= 1024 && utf8.ValidString(key) && !strings.Contains(key, "\x00"); ok != want {
			t.Fatalf("%q: valid is %v, want %v", key, ok, want)
		}
		if !ok {
			return
		}
		// Whatever can be stored can be listed: by its prefixes at rune
		// boundaries, and from a token behind it.
		for i := range key {
			if err := storage.ValidatePrefix(key[:i]); err != nil {
				t.Fatalf("the prefix %q of a key: %v", key[:i], err)
			}
		}
		for _, p := range []storage.ListPosition{{After: key}, {After: key, IsPrefix: true}} {
			got, err := storage.ParseListToken(p.Token())
			if err != nil || got != p || !got.Covers(key) {
				t.Fatalf("the token of %+v came back as %+v, %v", p, got, err)
			}
		}
	})
}
