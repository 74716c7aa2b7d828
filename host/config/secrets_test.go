package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// gossip is a Describer whose plugin repeats all it was given.
type gossip struct{ *plugins }

func (g gossip) Validate(_ context.Context, _, _ string, value cty.Value) (schema.Diagnostics, error) {
	var c supabaseConfig
	diags := schema.Decode(value, &c)
	diags.Append(
		schema.Errorf(nil, "Key "+c.Key, "%q, %#v", c.Key, c),
		schema.Warningf(schema.AttrPath("nowhere", "at", "all"), "", "%v", c.Headers),
	)
	return diags, nil
}

// refusing is a Describer whose plugin fails with an error that repeats all.
type refusing struct{ *plugins }

func (r refusing) Validate(_ context.Context, _, _ string, value cty.Value) (schema.Diagnostics, error) {
	var c supabaseConfig
	_ = schema.Decode(value, &c)
	return nil, fmt.Errorf("dial with %s and %v", c.Key, c.Headers)
}

func TestSecretsNeverReachADiagnostic(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"key": "sk-hunter2\n", "bad": "hunter2", "quoted": "sk-\"hunter2\"\n-----\nhunter2-x", "binary": "hunter2\xff"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	backend := func(body string) string {
		return "backend \"cloud\" {\n plugin = \"supabase\"\n config {\n" + body + "\n }\n}\n"
	}
	const url = `url = "https://x"` + "\n"
	tests := []struct {
		name      string
		src       string
		describer config.Describer
	}{
		{"literal against the pattern", backend(url + `service_role_key = "hunter2"`), nil},
		{"file against the pattern", backend(url + `service_role_key = file("bad")`), nil},
		{"file for an ordinary attribute", backend(`url = file("key")`), nil},
		{"environment for an ordinary attribute", backend(`url = env("BAD")`), nil},
		{"inside a template", backend(`url = "x-${env("BAD")}"`), nil},
		{"as the name of a file", backend(`url = file(env("BAD"))`), nil},
		{"as the name of a variable", backend(`url = env(env("BAD"))`), nil},
		{"as an operand", backend(`url = env("BAD") + 1`), nil},
		{"as an index", backend(`url = {a = 1}[env("BAD")]`), nil},
		{"as an attribute", backend(`url = env("BAD").hunter`), nil},
		{"as a condition", backend(`url = env("BAD") ? 1 : 2`), nil},
		{"as a key", backend(`url = { (env("BAD")) = env("BAD") }`), nil},
		{"as an enum", "host {\n log_level = env(\"BAD\")\n}", nil},
		{"as a duration", "host {\n drain_timeout = env(\"BAD\")\n}", nil},
		{"as a size", "host {\n max_object_size = env(\"BAD\")\n}", nil},
		{"as a number", "backend \"a\" {\n plugin = \"local\"\n priority = env(\"BAD\")\n}", nil},
		{"as an address", "host {\n listen = env(\"BAD\")\n}", nil},
		{"as a version", "plugin \"a\" {\n version = env(\"BAD\")\n}", nil},
		{"as a list of tokens", "host {\n tokens = env(\"BAD\")\n}", nil},
		{"in a list of tokens", "host {\n tokens = [\"hunter2 \", file(\"quoted\")]\n}", nil},
		{"misspelt tokens", "host {\n tokns = [\"hunter2\"]\n}", nil},
		{"binary file", backend(`url = file("binary")`), nil},
		{"map that is sensitive", backend(url + `headers = { hunter2 = ["hunter2"] }`), nil},
		{"repeated by the plugin", backend(url + "service_role_key = file(\"key\")\nheaders = { x = \"hunter2\" }"), gossip{}},
		{"repeated quoted by the plugin", backend(url + `service_role_key = file("quoted")`), gossip{}},
		{"literal repeated by the plugin", backend(url + `service_role_key = "sk-hunter2"`), gossip{}},
		{"repeated in an error of the plugin", backend(url + `service_role_key = "sk-hunter2"`), refusing{}},
		{"in a broken line", backend(`service_role_key = "hunter2" "hunter2"`), nil},
		{"in an unknown block", "secrets {\n a = \"hunter2\"\n b { c = \"hunter2\" }\n}", nil},
		{"on the line of a block", "secret { a = \"hunter2\" }\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var describer config.Describer
			switch tt.describer.(type) {
			case gossip:
				describer = gossip{fakePlugins(t)}
			case refusing:
				describer = refusing{fakePlugins(t)}
			default:
				describer = fakePlugins(t)
			}
			c, diags := config.Parse(filepath.Join(dir, "config.hcl"), []byte(tt.src), options(t))
			if !diags.HasErrors() {
				diags = append(diags, c.Resolve(t.Context(), describer)...)
			}
			if len(diags) == 0 {
				t.Fatal("there is no complaint that could leak")
			}
			var hclText strings.Builder
			files := map[string]*hcl.File{filepath.Join(dir, "config.hcl"): {}}
			if err := hcl.NewDiagnosticTextWriter(&hclText, files, 78, false).WriteDiagnostics(diags); err != nil {
				t.Fatal(err)
			}
			shown := config.FormatDiagnostics(diags) + diags.Error() + hclText.String()
			if strings.Contains(shown, "hunter2") {
				t.Errorf("a secret is shown:\n%s", shown)
			}
		})
	}
}

func TestRedactedHidesSensitiveValues(t *testing.T) {
	c, _ := loadGood(t)
	shown := c.Backend("cloud").Redacted()
	if got := shown.GetAttr("service_role_key").AsString(); got != schema.Redacted {
		t.Errorf("the key is shown as %q", got)
	}
	if got := shown.GetAttr("url").AsString(); got != "https://project.supabase.co" {
		t.Errorf("the address is shown as %q", got)
	}
	unresolved := &config.Backend{Unresolved: errors.New("down")}
	if unresolved.Redacted() != cty.NilVal {
		t.Error("an unresolved backend has a value")
	}
}
