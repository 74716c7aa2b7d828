package routing

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// checkApart refuses children that keep things in one backend: what the policy
// does at one of them it would undo at the other.
func checkApart(attribute string, refs []string, kinds func(string) []string) schema.Diagnostics {
	var diags schema.Diagnostics
	for i, ref := range refs {
		for _, earlier := range refs[:i] {
			if backend := sharedBackend(earlier, ref, kinds); backend != "" && earlier != ref {
				diags = append(diags, schema.Errorf(cty.GetAttrPath(attribute).IndexInt(i), "One backend twice",
					"%s and %s both keep their objects in %s, so one would overwrite what belongs to the other. Give them backends of their own.", earlier, ref, backend))
				break
			}
		}
	}
	return diags
}

// sharedBackend returns a backend that both children are made of, or "".
func sharedBackend(a, b string, kinds func(string) []string) string {
	of := backendsOf(b, kinds)
	for _, backend := range backendsOf(a, kinds) {
		if slices.Contains(of, backend) {
			return backend
		}
	}
	return ""
}

func backendsOf(ref string, kinds func(string) []string) []string {
	all := append([]string{ref}, kinds(ref)...)
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, "backend.") })
}
