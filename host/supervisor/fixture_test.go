package supervisor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"go.uber.org/goleak"
)

// asHost makes the test binary play a host that starts a plugin and waits to be killed; see hostkill_test.go.
const asHost = "STOWAGE_TEST_AS_HOST"

func TestMain(m *testing.M) {
	if behaviour, ok := os.LookupEnv(asHost); ok {
		runAsHost(behaviour)
		return
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "testplugin-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(buildDir)
		os.Exit(code)
	}))
}

var buildDir string

// testPlugin builds internal/testplugin once per run of the test binary.
var testPlugin = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "stowage-plugin-test")
	out, err := exec.Command("go", "build", "-o", path, "github.com/p2p-ai-agents/stowage/internal/testplugin").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, os.Chmod(path, 0o755)
})

func pluginPath(t *testing.T) string {
	t.Helper()
	path, err := testPlugin()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// harness is a host as the supervisor sees it.
type harness struct {
	t    *testing.T
	opts Options
	log  *logRecorder
}

// newHarness has short times, so that a test of a timeout takes no longer than it must.
func newHarness(t *testing.T) *harness {
	t.Helper()
	store, err := trust.OpenStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	runDir, err := OpenRunDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runDir.Close(); err != nil {
			t.Error(err)
		}
	})
	log := &logRecorder{}
	return &harness{t: t, log: log, opts: Options{
		Store: store, RunDir: runDir,
		Logger: hclog.New(&hclog.LoggerOptions{Output: log, JSONFormat: true, Level: hclog.Debug}),
	}}
}

func (h *harness) process(args ...string) *Process {
	h.t.Helper()
	p := New(Spec{Name: "test", Path: pluginPath(h.t), Args: args}, h.opts)
	h.t.Cleanup(func() { h.stop(p) })
	return p
}

func (h *harness) start(args ...string) *Process {
	h.t.Helper()
	p := h.process(args...)
	if err := p.Start(h.t.Context()); err != nil {
		h.t.Fatalf("Start: %v", err)
	}
	return p
}

// stop stops p and checks that nothing is left of it.
func (h *harness) stop(p *Process) {
	h.t.Helper()
	pid := p.Status().PID
	if err := p.Stop(h.t.Context()); err != nil && h.t.Context().Err() == nil {
		h.t.Errorf("Stop: %v", err)
	}
	if st := p.Status(); st.State != Stopped || st.PID != 0 {
		h.t.Errorf("after Stop: %+v", st)
	}
	if pid != 0 && processExists(pid) {
		h.t.Errorf("process %d is left", pid)
	}
}

// freeze stops the process with SIGSTOP.
func freeze(t *testing.T, p *Process) {
	t.Helper()
	pid := p.Status().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "stopped process", 5*time.Second, func() bool { return processState(pid) == 'T' })
}

// await polls what happens outside of this process.
func await(t *testing.T, what string, within time.Duration, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func awaitState(t *testing.T, p *Process, within time.Duration, want State) Status {
	t.Helper()
	var st Status
	await(t, "state "+want.String(), within, func() bool {
		st = p.Status()
		return st.State == want
	})
	return st
}

// processExists is true for a process that runs, stopped ones included, but not for a zombie.
func processExists(pid int) bool {
	state := processState(pid)
	return state != 0 && state != 'Z'
}

// processState is the letter that ps shows; 0 when there is no such process.
func processState(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	if len(rest) == 0 {
		return 0
	}
	return rest[0]
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	var pid int
	await(t, "a pid in "+file, 5*time.Second, func() bool {
		content, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(string(content))
		return err == nil
	})
	return pid
}

func children(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// logRecorder keeps the entries of a JSON logger.
type logRecorder struct {
	mu      sync.Mutex
	entries []map[string]any
}

func (r *logRecorder) Write(p []byte) (int, error) {
	var entry map[string]any
	if err := json.Unmarshal(p, &entry); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, entry)
	return len(p), nil
}

// find returns the entries whose message contains text.
func (r *logRecorder) find(text string) []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []map[string]any
	for _, e := range r.entries {
		if message, _ := e["@message"].(string); strings.Contains(message, text) {
			found = append(found, e)
		}
	}
	return found
}
