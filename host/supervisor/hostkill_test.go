package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/p2p-ai-agents/stowage/host/trust"
)

// runAsHost is the other process of the tests below. It prints "READY pid rundir" and then waits to be killed.
func runAsHost(behaviour string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stdout, "FAILED", err)
			os.Exit(1)
		}
	}
	store, err := trust.OpenStore(os.Getenv("STOWAGE_TEST_STORE"))
	fail(err)
	runDir, err := OpenRunDir()
	fail(err)
	p := New(Spec{Name: "test", Path: os.Getenv("STOWAGE_TEST_PLUGIN"), Args: strings.Fields(behaviour)}, Options{
		Store: store, RunDir: runDir, Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn}),
	})
	fail(p.Start(context.Background()))
	fmt.Fprintln(os.Stdout, "READY", p.Status().PID, runDir.Path())
	select {}
}

type otherHost struct {
	cmd    *exec.Cmd
	pid    int // of its plugin
	runDir string
}

func startHost(t *testing.T, behaviour string, env ...string) *otherHost {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asHost+"="+behaviour, "STOWAGE_TEST_PLUGIN="+pluginPath(t),
		"STOWAGE_TEST_STORE="+filepath.Join(t.TempDir(), "store"))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &otherHost{cmd: cmd}
	t.Cleanup(h.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("host said %q: %v", line, err)
	}
	if _, err := fmt.Sscanf(line, "READY %d %s", &h.pid, &h.runDir); err != nil {
		t.Fatalf("host said %q: %v", line, err)
	}
	return h
}

func (h *otherHost) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

func TestKilledHostLeavesNoProcess(t *testing.T) {
	for name, behaviour := range map[string]string{
		"plugin that watches its stdin":           "",
		"plugin that ignores stdin and SIGTERM":   "stubborn",
		"plugin whose grandchild holds its stdio": "grandchild=" + filepath.Join(t.TempDir(), "pid"),
	} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, behaviour)
			if !processExists(h.pid) {
				t.Fatalf("plugin %d does not run", h.pid)
			}
			h.kill()
			await(t, "end of the plugin", 2*time.Second, func() bool { return !processExists(h.pid) })

			// The next host of the user removes what the dead one left.
			runDir, err := OpenRunDir()
			if err != nil {
				t.Fatal(err)
			}
			defer runDir.Close()
			if _, err := os.Stat(h.runDir); err == nil {
				t.Errorf("%s of a dead host is left", h.runDir)
			}
			if file, ok := strings.CutPrefix(behaviour, "grandchild="); ok {
				pid := readPID(t, file)
				await(t, "end of the grandchild", 2*time.Second, func() bool { return !processExists(pid) })
			}
		})
	}
}

func TestTwoHostsDoNotDisturbEachOther(t *testing.T) {
	other := startHost(t, "")
	h := newHarness(t) // sweeps
	h.start()
	if _, err := os.Stat(other.runDir); err != nil {
		t.Errorf("the other host's directory: %v", err)
	}
	if !processExists(other.pid) {
		t.Error("the other host's plugin was ended")
	}
	if other.runDir == h.opts.RunDir.Path() {
		t.Error("both hosts use one directory")
	}
}

func TestHostWithALongTMPDIR(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 200))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	h := newHarness(t)
	if path := h.opts.RunDir.Path(); len(path) > 60 {
		t.Errorf("run directory %s is too long", path)
	}
	client, _, err := h.start().Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Health(t.Context()); err != nil {
		t.Error(err)
	}
}
