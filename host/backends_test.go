package host_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/p2p-ai-agents/stowage/host"
)

func TestAProcessComesAndGoesWithTheBackendItServes(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
backend "a" { plugin = "local" }
plugin "local" { transport = "builtin" }`, folder(t, localPlugin(t), testPlugin(t, "test", ""))))
	if err := h.AddBackend(t.Context(), host.Backend{Name: "late", Plugin: "test", Priority: 1}); err != nil {
		t.Fatal(err)
	}
	put(t, h.Store(), "k", "v")
	if got := get(t, h.Store(), "k"); got != "v" || operations(h, "late", "put") != 1 {
		t.Errorf("read %q", got)
	}
	p := process(t, h, "test")
	if p.State != "ready" {
		t.Errorf("%+v", p)
	}
	if err := h.RemoveBackend(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after its only backend was removed: %v", p.PID, err)
	}
	for _, s := range h.Status().Plugins {
		if s.Name == "test" && (s.State != "available" || len(s.Processes) > 0) {
			t.Errorf("%+v", s)
		}
	}
}
