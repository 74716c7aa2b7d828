package expression_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/expression"
)

// object is what the tests place, unless they say otherwise.
var object = expression.Attributes{
	Key: "models/llama/weights.bin", Size: 2 << 20, ContentType: "application/octet-stream",
	Metadata: map[string]string{"tier": "hot", "x-owner": "ada"}, Op: "put",
}

func compiled(t testing.TB, text string) *expression.Program {
	t.Helper()
	p, err := expression.CompileText(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func placed(t testing.TB, text string, a expression.Attributes) string {
	t.Helper()
	ref, err := compiled(t, text).Place(a)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ref
}

func TestConditionsThatHold(t *testing.T) {
	for _, condition := range []string{
		`true`,
		`!false`,
		`size > 1048576`,
		`size >= 2 * 1024 * 1024 && size <= 2097152 && !(size < 2097152)`,
		`size / 1024 == 2048`,
		`size % 1000 == 152`,
		`-size < 0`,
		`size + 1 != size - 1`,
		`size == 2.097152e6`,
		`key == "models/llama/weights.bin"`,
		`key != "models"`,
		`"${op} ${key}" == "put models/llama/weights.bin"`,
		`"${key}" == key`,
		`"%{if size > 1}big%{else}small%{endif}" == "big"`,
		`"$${" == "$\u007b"`,
		`"" == metadata["none"] && "" == metadata.none`,
		`metadata["tier"] == "hot" && metadata.tier == "hot" && metadata.x-owner == "ada"`,
		`metadata["x-${"owner"}"] == "ada"`,
		`metadata[lower("TIER")] == "hot"`,
		`op == "put"`,
		`startswith(key, "models/") && !startswith(key, "llama")`,
		`endswith(key, ".bin") && !endswith(key, ".txt")`,
		`strcontains(key, "llama") && !strcontains(key, "gpt")`,
		`contains(["image/png", "application/octet-stream"], content_type)`,
		`!contains([], key)`,
		`contains(split("/", key), "llama")`,
		`matches(key, "^models/.*[.]bin$") && !matches(key, "^llama")`,
		`lower("ABC") == "abc" && upper(op) == "PUT"`,
		`length(key) == 24 && length("é") == 2 && length(split("/", key)) == 3`,
		`substr(key, 0, 6) == "models" && substr(key, -3, -1) == "bin" && substr(key, 7, 5) == "llama"`,
		`substr(key, 100, 5) == "" && substr(key, -100, 6) == "models" && substr(key, 20, 100) == ".bin"`,
		`split("/", key)[0] == "models" && split("/", key)[size - size + 1] == "llama"`,
		`split("/", key)[3] == "" && split("/", key)[0.5] == "" && split("/", key)[-1] == ""`,
		`min(size, 3, 4) == 3 && max(1, size) == size && min(7) == 7`,
		`hash("123456789") == 3808858755`,
		`(size > 1 ? key : op) == key`,
		`size > 1 ? true : false`,
		`(size > 1 ? 1 : 2) == 1 && contains(size > 1 ? ["a"] : ["b"], "a")`,
		`(true == (size > 1)) != (1 == 2)`,
		"# a comment\n  size > 1 // another\n || /* a third */ false",
	} {
		if got := placed(t, "("+condition+"\n) ? backend.yes : backend.no", object); got != "backend.yes" {
			t.Errorf("%s does not hold", condition)
		}
	}
}

func TestOnlyWhatIsNeededIsEvaluated(t *testing.T) {
	empty := expression.Attributes{Key: "k"}
	for _, condition := range []string{
		`size != 0 && 1 / size > 0`,
		`!(size == 0 || 1 / size > 0)`,
		`(size != 0 ? 1 / size > 0 : false)`,
	} {
		if got := placed(t, condition+" ? backend.yes : backend.no", empty); got != "backend.no" {
			t.Errorf("%s holds for size 0", condition)
		}
	}
	if got := placed(t, `size == 0 ? backend.empty : 100 / size > 1 ? backend.small : backend.large`, empty); got != "backend.empty" {
		t.Errorf("an empty object goes to %s", got)
	}
}

func TestNestedChoicesPlaceEachObject(t *testing.T) {
	p := compiled(t, `(startswith(key, "tmp/") ? policy.scratch : size > 1048576 ? backend.cloud : (content_type == "text/plain" ? backend.disk : policy.scratch))`)
	for _, c := range []struct {
		a    expression.Attributes
		want string
	}{
		{expression.Attributes{Key: "tmp/a", Size: 1 << 30}, "policy.scratch"},
		{expression.Attributes{Key: "a", Size: 1048577}, "backend.cloud"},
		{expression.Attributes{Key: "a", Size: 1048576, ContentType: "text/plain"}, "backend.disk"},
		{expression.Attributes{Key: "a"}, "policy.scratch"},
	} {
		if got, err := p.Place(c.a); got != c.want || err != nil {
			t.Errorf("%+v goes to %q, %v; want %s", c.a, got, err, c.want)
		}
	}
	if want := []string{"policy.scratch", "backend.cloud", "backend.disk"}; !slices.Equal(p.Refs(), want) {
		t.Errorf("references %v, want %v", p.Refs(), want)
	}
	if refs := p.References(); len(refs) != 4 || refs[3].Target != "policy.scratch" || refs[3].Range.Start.Column != 125 {
		t.Errorf("references %+v", refs)
	}
}

func TestWhatAnExpressionDependsOn(t *testing.T) {
	for _, c := range []struct {
		text   string
		static bool
		uses   []string
	}{
		{`backend.disk`, true, nil},
		{`startswith(key, "a/") ? backend.a : backend.b`, true, []string{"key"}},
		{`size > 1 ? backend.a : backend.b`, false, []string{"size"}},
		{`metadata["a"] == key ? backend.a : backend.b`, false, []string{"metadata", "key"}},
		{`metadata[key] == "" ? backend.a : backend.b`, false, []string{"metadata", "key"}},
		{`true ? backend.a : op == "put" ? backend.b : backend.c`, false, []string{"op"}},
		{`content_type == "" ? backend.a : backend.b`, false, []string{"content_type"}},
	} {
		p := compiled(t, c.text)
		if p.Static() != c.static {
			t.Errorf("%s: static %v", c.text, p.Static())
		}
		for _, name := range []string{"key", "size", "content_type", "metadata", "op"} {
			if p.Uses(name) != slices.Contains(c.uses, name) {
				t.Errorf("%s: uses %s: %v", c.text, name, p.Uses(name))
			}
		}
		if p.String() != c.text {
			t.Errorf("the source of %q is %q", c.text, p)
		}
	}
}

func TestAnObjectWithoutAValueIsAnError(t *testing.T) {
	p := compiled(t, `100 % size > 1 ? backend.a : backend.b`)
	if ref, err := p.Place(expression.Attributes{}); ref != "" || err == nil || !strings.Contains(err.Error(), "divides by zero at line 1, column 1") {
		t.Fatalf("got %q, %v", ref, err)
	}
	if ref, err := p.Place(expression.Attributes{Size: 3}); ref != "backend.b" || err != nil {
		t.Fatalf("after an error: %q, %v", ref, err)
	}
}

func TestKeysAreBytes(t *testing.T) {
	decomposed := expression.Attributes{Key: "e\u0301"} // HCL would make é of it
	if got := placed(t, `length(key) == 3 ? backend.yes : backend.no`, decomposed); got != "backend.yes" {
		t.Error("the key was normalised")
	}
	invalid := expression.Attributes{Key: "k", ContentType: "\xff\x00"}
	if got := placed(t, `length(content_type) == 2 && split("", content_type)[1] == substr(content_type, 1, 1) ? backend.yes : backend.no`, invalid); got != "backend.yes" {
		t.Error("a content type that is not UTF-8 was changed")
	}
}

func TestManyGoroutinesUseOneProgram(t *testing.T) {
	p := compiled(t, `matches(key, "[0-4]$") && contains(split("/", "a/b"), "a") ? backend.low : backend.high`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				want := "backend.low"
				if i > 4 {
					want = "backend.high"
				}
				if got, err := p.Place(expression.Attributes{Key: string(rune('0' + i))}); got != want || err != nil {
					t.Errorf("%d goes to %s, %v", i, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkPlace(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"nothing", `backend.disk`},
		{"size", `size > 1048576 ? backend.cloud : backend.disk`},
		{"all", `startswith(key, "models/") && matches(content_type, "^application/") && metadata["tier"] == "hot" && size % 2 == 0 ? backend.cloud : backend.disk`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := compiled(b, c.text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Place(object); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
