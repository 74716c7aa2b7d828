package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The short version of `make chaos`. What each process does when is up to the
// machine, so nothing is asked of the counts but that there are some.
func TestAcknowledgedWritesSurviveTheDeathOfPluginsAndOfTheHost(t *testing.T) {
	binary, plugins := build(t)
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	report, err := start(t.Context(), options{
		binary: binary, plugins: plugins, dir: dir, seed: seed, say: t.Logf,
		length: 20 * time.Second, callers: 8, keys: 100, shared: 4,
		deck: []torture{killPlugin, killPlugin, pausePlugin, killTwo, killHost},
	})
	if report != nil {
		var out strings.Builder
		report.print(&out)
		t.Log(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(report.violations) > 0 {
		log, _ := os.ReadFile(filepath.Join(dir, "host.log"))
		t.Fatalf("promises were broken; the host's log:\n%s", log[max(0, len(log)-20_000):])
	}
	if report.compared != 104 || report.stored == 0 || !report.repair.Complete {
		t.Errorf("%d keys compared, %d of them with a value, repair %+v", report.compared, report.stored, report.repair)
	}
	for _, how := range []torture{killPlugin, killTwo, pausePlugin, killHost} {
		if report.tortures[how] == 0 {
			t.Errorf("never: %s", how)
		}
	}
	for kind, c := range report.operations {
		if c.results[answered] == 0 {
			t.Errorf("no %s was ever answered", kind)
		}
	}
}

// build builds the host and the plugin as make build does.
func build(t *testing.T) (binary, plugins string) {
	t.Helper()
	dir := t.TempDir()
	binary, plugins = filepath.Join(dir, "stowage"), filepath.Join(dir, "plugins")
	for path, pkg := range map[string]string{binary: "cmd/stowage", filepath.Join(plugins, "stowage-plugin-local"): "plugins/local"} {
		cmd := exec.Command("go", "build", "-o", path, "github.com/p2p-ai-agents/stowage/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	for _, path := range []string{dir, filepath.Dir(dir), plugins, filepath.Join(plugins, "stowage-plugin-local")} {
		if err := os.Chmod(path, 0o755); err != nil { // group-writable is refused at launch
			t.Fatal(err)
		}
	}
	return binary, plugins
}
