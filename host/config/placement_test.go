package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/expression"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func TestTheValueOfAnExpressionIsItsSource(t *testing.T) {
	c, _ := loadGood(t)
	p := c.Policy("by_size")
	want := `( # large ones are rare
    size > 1048576 ? backend.cloud :
    metadata["tier"] == "hot" ? policy.hot : backend.cloud
  )`
	text := p.Value.GetAttr("place").AsString()
	if text != want {
		t.Errorf("got %s", text)
	}
	if want := []string{"backend.cloud", "policy.hot", "backend.disk"}; !slices.Equal(p.Refs, want) {
		t.Errorf("it refers to %v, want %v", p.Refs, want)
	}
	program, err := expression.CompileText(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := program.Place(expression.Attributes{Metadata: map[string]string{"tier": "hot"}}); got != "policy.hot" || err != nil {
		t.Errorf("a hot object goes to %s, %v", got, err)
	}
}

func TestWhateverFormAnExpressionHasItsSourceCompilesAgain(t *testing.T) {
	for _, place := range []string{
		`backend.a`,
		`(backend.a)`,
		`((size > 1) ? (backend.a) : (backend.a))`,
		`(size) > 1 ? backend.a : backend.a`,
		`/* before */ size > 1 ? backend.a /* within */ : backend.a # behind`,
		`size > 1 ? backend.a : key == "}" ? backend.a : backend.a // behind`,
		"(\n\tsize > 1\n\t? backend.a\n\n\t: (backend.a\n\t)\n)",
		`"é" == key ? backend.a : backend.a`,
		`"${"${key}"}x" == "%%{" ? backend.a : backend.a`,
		`split("/", key)[0] == "" ? backend.a : backend.a`,
		"key == <<EOT\nbackend.b\nEOT\n ? backend.a : backend.a",
	} {
		src := "backend \"a\" { plugin = \"local\" }\npolicy \"custom\" \"x\" {\n  place =" + place + "\n}\n"
		c, diags := config.Parse("/srv/config.hcl", []byte(src), options(t))
		if diags.HasErrors() {
			if strings.Contains(place, "<<") {
				continue // such a text ends its line, and the expression with it
			}
			t.Errorf("%s: %s", place, config.FormatDiagnostics(diags))
			continue
		}
		program, err := expression.CompileText(c.Policy("x").Value.GetAttr("place").AsString())
		if err != nil || !slices.Equal(program.Refs(), []string{"backend.a"}) {
			t.Errorf("%s: %v, %v", place, program, err)
		}
	}
}

func TestAnExpressionThatIsTooLongIsRefusedWhereItBegins(t *testing.T) {
	src := "backend \"a\" { plugin = \"local\" }\npolicy \"custom\" \"x\" {\n  place = key == \"" + strings.Repeat("x", expression.MaxSource) + "\" ? backend.a : backend.a\n}\n"
	_, diags := config.Parse("/srv/config.hcl", []byte(src), options(t))
	if len(diags) != 1 || diags[0].Summary != "Expression too long" || diags[0].Subject.Start.Line != 3 {
		t.Errorf("got %v", diags)
	}
}

func TestThePolicyCheckIsAskedAboutEveryPolicyAndToldWhatItsChildrenAreMadeOf(t *testing.T) {
	asked := make(map[string][]string)
	opts := options(t)
	opts.CheckPolicy = func(kind string, value cty.Value, kinds func(string) []string) schema.Diagnostics {
		for _, ref := range []string{"backend.disk", "policy.safe", "policy.hot", "policy.by_size", "policy.none", "hot"} {
			asked[fmt.Sprint(kind, " ", ref)] = kinds(ref)
		}
		if value == cty.NilVal || value.IsNull() {
			t.Errorf("%s: no value", kind)
		}
		return nil
	}
	if _, diags := config.Load("testdata/good.hcl", opts); diags.HasErrors() {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	for _, kind := range []string{"first_available", "always_use", "custom"} {
		for ref, want := range map[string][]string{
			"backend.disk":   nil,
			"policy.safe":    {"always_use", "backend.cloud"},
			"policy.hot":     {"first_available", "backend.memory", "always_use", "backend.cloud", "backend.disk"},
			"policy.by_size": {"custom", "backend.cloud", "first_available", "backend.memory", "always_use", "backend.disk"},
			"policy.none":    nil,
			"hot":            nil,
		} {
			got, ok := asked[kind+" "+ref]
			if !ok || !slices.Equal(got, want) {
				t.Errorf("%s is told that %s is made of %v, want %v", kind, ref, got, want)
			}
		}
	}
}

func TestWhatThePolicyCheckSaysShowsNoSecrets(t *testing.T) {
	opts := options(t)
	opts.CheckPolicy = func(string, cty.Value, func(string) []string) schema.Diagnostics {
		return schema.Diagnostics{schema.Errorf(nil, "Not "+secret, "It is %s.", secret)}
	}
	_, diags := config.Parse("/srv/config.hcl", []byte(`
host { tokens = [env("SUPABASE_KEY")] }
backend "a" { plugin = "local" }
policy "always_use" "x" { backend = backend.a }
`), opts)
	if text := config.FormatDiagnostics(diags); !diags.HasErrors() || strings.Contains(text, "hunter2") {
		t.Errorf("got %s", text)
	}
}
