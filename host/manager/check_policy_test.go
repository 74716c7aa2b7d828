package manager

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// careful is a policy that refuses children of its own kind.
type careful struct {
	Of string `stowage:"of,required,ref"`
}

func (careful) Build(string, routing.Env, func(string) (routing.Child, error)) (storage.Store, error) {
	return nil, nil
}

func (c careful) Check(kinds func(ref string) []string) schema.Diagnostics {
	if all := kinds(c.Of); len(all) > 0 {
		return schema.Diagnostics{schema.Errorf(schema.AttrPath("of"), "Unsafe", "%s is %s.", c.Of, strings.Join(all, ", "))}
	}
	return nil
}

func TestAPolicyIsAskedWhetherItCanKeepItsPromise(t *testing.T) {
	kinds := []routing.Kind{{Name: "careful", Policy: careful{}}, {Name: "always_use", Policy: routing.AlwaysUse{}}}
	body := cty.ObjectVal(map[string]cty.Value{"of": cty.StringVal("policy.a")})
	madeOf := func(ref string) []string {
		if ref == "policy.a" {
			return []string{"careful"}
		}
		return nil
	}
	if got := checkPolicy(kinds, "careful", body, madeOf).Error(); got != "of: Unsafe: policy.a is careful." {
		t.Errorf("got %q", got)
	}
	body = cty.ObjectVal(map[string]cty.Value{"of": cty.StringVal("backend.a")})
	if diags := checkPolicy(kinds, "careful", body, madeOf); len(diags) > 0 {
		t.Errorf("over a backend: %v", diags)
	}
	body = cty.ObjectVal(map[string]cty.Value{"backend": cty.StringVal("policy.a")})
	if diags := checkPolicy(kinds, "always_use", body, madeOf); len(diags) > 0 {
		t.Errorf("a policy that has no opinion: %v", diags)
	}
	if diags := checkPolicy(kinds, "careful", body, madeOf); !diags.HasErrors() {
		t.Error("a value of another kind is accepted")
	}
}

func TestTheConfigurationOfAHostIsCheckedByItsPolicies(t *testing.T) {
	policies, err := PolicySchemas()
	if err != nil {
		t.Fatal(err)
	}
	c, diags := config.Parse("config.hcl", []byte(`
backend "a" { plugin = "local" }
policy "always_use" "x" { backend = backend.a }
policy "first_available" "y" { order = [policy.x] }
`), config.Options{Policies: policies, CheckPolicy: CheckPolicy})
	if diags.HasErrors() || len(c.Policies) != 2 {
		t.Fatal(diags)
	}
}
