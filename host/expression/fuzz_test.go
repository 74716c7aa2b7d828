package expression_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/host/expression"
)

// FuzzExpression looks for expressions that make the compiler or an evaluation
// panic, and for programs that break their word.
func FuzzExpression(f *testing.F) {
	src, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		f.Add(line, "key", int64(1), "type", "value")
	}
	f.Add(`"${metadata["a"]}%{if size / 3 > 1}x%{else}${key}%{endif}" == substr(key, -1, size % 3) ? backend.a : policy.b`, "a/b", int64(9), "t", "v")
	f.Add(`hash(split("/", key)[length(key)]) > max(size, 1) ? backend.a : matches(key, "^a") ? backend.b : backend.c`, "a/b", int64(9), "t", "v")
	f.Fuzz(func(t *testing.T, text, key string, size int64, contentType, value string) {
		p, diags := expression.Compile("x", []byte(text), hcl.InitialPos)
		if (p == nil) != diags.HasErrors() {
			t.Fatalf("program %v, diagnostics %v", p, diags)
		}
		if p == nil {
			return
		}
		a := expression.Attributes{Key: key, Size: size, ContentType: contentType, Metadata: map[string]string{"a": value}, Op: "put"}
		ref, err := p.Place(a)
		if err == nil && !slices.Contains(p.Refs(), ref) {
			t.Fatalf("%q is none of %v", ref, p.Refs())
		}
		if again, _ := p.Place(a); again != ref {
			t.Fatalf("%q, then %q", ref, again)
		}
		if p.Static() {
			if other, _ := p.Place(expression.Attributes{Key: key}); other != ref {
				t.Fatalf("static, but %q for one and %q for another of the same key", ref, other)
			}
		}
		if again, err := expression.CompileText(p.String()); err != nil || !slices.Equal(again.Refs(), p.Refs()) {
			t.Fatalf("its own source gives another program: %v", err)
		}
	})
}
