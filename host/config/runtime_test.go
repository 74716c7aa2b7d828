package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
)

func TestABackendJoinsAConfigurationThatRuns(t *testing.T) {
	c, dir := loadGood(t)
	before := len(c.Backends)
	joined, diags := c.WithBackend("late", "local", 7, `path = "late"`)
	if diags.HasErrors() {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	b := joined.Backend("late")
	if b == nil || b.Plugin != "local" || b.Priority != 7 || !b.Enabled || b.Retry.MaxAttempts != 3 || b.Timeout == 0 {
		t.Fatalf("%+v", b)
	}
	if diags := joined.ResolveBackend(t.Context(), fakePlugins(t), b); len(diags) > 0 {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	if got := b.Value.GetAttr("path"); !got.RawEquals(cty.StringVal(filepath.Join(dir, "late"))) {
		t.Errorf("path = %#v", got)
	}
	if len(c.Backends) != before || c.Backend("late") != nil {
		t.Error("the configuration that runs has changed")
	}
	if joined.Plugin("supabase").Version != ">= 1.0" {
		t.Error("the launch settings are lost")
	}
}

func TestWhatIsWrongWithABackendThatJoinsIsShownAtItsLine(t *testing.T) {
	c, _ := loadGood(t)
	joined, diags := c.WithBackend("late", "supabase", 0, "\nurl = \"http://plain\"\nservice_role_key = \"sk-hidden\"")
	if diags.HasErrors() {
		t.Fatal(config.FormatDiagnostics(diags))
	}
	text := config.FormatDiagnostics(joined.Resolve(t.Context(), fakePlugins(t)))
	if !strings.Contains(text, `on backend "late":2:7`) || strings.Contains(text, "sk-hidden") {
		t.Error(text)
	}
}
