package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The demonstration itself, small: a real plugin process, killed twice.
func TestATreeSurvivesTheDeathOfItsPlugin(t *testing.T) {
	const files, big = 300, 8 << 20
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	var log bytes.Buffer
	r, err := run(t.Context(), options{
		source: tree(t, files), plugins: buildPlugin(t), big: big, workers: 8, patience: time.Minute, log: &log,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if r.kills != 2 || r.restarts != 2 || len(r.recoveries) != 2 {
		t.Errorf("%d kills, %d restarts, recoveries %v; want two of each", r.kills, r.restarts, r.recoveries)
	}
	if r.verified != files+1 || len(r.different) > 0 || r.listed != files {
		t.Errorf("%d verified, %d different, %d listed; want %d, 0, %d", r.verified, len(r.different), r.listed, files+1, files)
	}
	if r.bigMemory.host == 0 || r.bigMemory.plugin == 0 || r.treeMemory.plugin == 0 {
		t.Errorf("memory was not measured: %+v, %+v", r.treeMemory, r.bigMemory)
	}

	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"copy", "read back", "store one value", "mismatches", "plugin killed with SIGKILL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not tell about %q:\n%s", want, &out)
		}
	}
	left, err := filepath.Glob(filepath.Join(temporary, "demo-of-stowage-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestAFaultIsReported(t *testing.T) {
	for name, test := range map[string]struct {
		report *report
		want   string
	}{
		"a different object":   {&report{different: []string{"tree/a"}}, `1 objects differ from their source, "tree/a" among them`},
		"no restart":           {&report{kills: 1}, "the plugin was killed 1 times and came back 0 times"},
		"a host too large":     {&report{limit: 1 << 20, treeMemory: memory{host: 2 << 20}}, "the host took 2.0 MiB of memory, over the limit of 1.0 MiB"},
		"a plugin too large":   {&report{limit: 1 << 20, bigMemory: memory{plugin: 2 << 20}}, "the plugin took 2.0 MiB of memory, over the limit of 1.0 MiB"},
		"nothing":              {&report{limit: 1 << 20, kills: 2, restarts: 2, bigMemory: memory{plugin: 1 << 20}}, ""},
		"a size without limit": {&report{bigMemory: memory{plugin: 2 << 20}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := test.report.fault(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("fault is %q, want %q", got, test.want)
			}
		})
	}
}

// tree makes a directory of files of many sizes, with names that are no tame
// ones.
func tree(t *testing.T, files int) string {
	t.Helper()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	source := rand.NewChaCha8([32]byte{1})
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("part %d", i%7), fmt.Sprintf("ünïcode%%2F %d", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, random.IntN(1<<(i%18)))
		if _, err := source.Read(content); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// buildPlugin returns a plugin folder with the local plugin, as make build
// leaves it.
func buildPlugin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "stowage-plugin-local"), "github.com/p2p-ai-agents/stowage/plugins/local")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	for _, path := range []string{dir, filepath.Dir(dir), filepath.Join(dir, "stowage-plugin-local")} {
		if err := os.Chmod(path, 0o755); err != nil { // group-writable is refused at launch
			t.Fatal(err)
		}
	}
	return dir
}
