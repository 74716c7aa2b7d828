package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stowage-host-test-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

var buildDir string

var buildMu sync.Mutex

// build builds a main package of the module as a plugin called name and returns
// its path. Each name is built once.
func build(t testing.TB, name, pkg string, ldflags ...string) string {
	t.Helper()
	buildMu.Lock()
	defer buildMu.Unlock()
	path := filepath.Join(buildDir, "stowage-plugin-"+name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	args := []string{"build", "-o", path}
	for _, f := range ldflags {
		args = append(args, "-ldflags", f)
	}
	out, err := exec.Command("go", append(args, "github.com/p2p-ai-agents/stowage/"+pkg)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// folder returns a plugin folder with copies of the binaries.
func folder(t testing.TB, binaries ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, binary := range binaries {
		raw, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(binary)), raw, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func localPlugin(t testing.TB) string { return build(t, "local", "plugins/local") }

// testPlugin is internal/testplugin under a name of its own, with a behaviour
// linked in.
func testPlugin(t testing.TB, name, behaviour string) string {
	return build(t, name, "internal/testplugin", fmt.Sprintf("-X main.name=%s -X 'main.behaviour=%s'", name, behaviour))
}
