package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// installed copies the test plugin to a folder of its own, where a test may damage it.
func installed(t *testing.T, mode os.FileMode, size func(int) int) string {
	t.Helper()
	content, err := os.ReadFile(pluginPath(t))
	if err != nil {
		t.Fatal(err)
	}
	if size != nil {
		content = content[:size(len(content))]
	}
	path := filepath.Join(t.TempDir(), "stowage-plugin-test")
	if err := os.WriteFile(path, content, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaunchThatFails(t *testing.T) {
	tests := []struct {
		name    string
		path    func(t *testing.T) string // nil: the test plugin
		args    []string
		reason  []string // parts of what Start and Status say
		state   State
		forGood bool // it is not tried again
	}{
		{
			name: "crash before the handshake", args: []string{"crash"}, state: Backoff,
			reason: []string{"exited with status 2 before the handshake", "panic: told to crash"},
		},
		{
			name: "exit before the handshake", args: []string{"exit=3"}, state: Backoff,
			reason: []string{"exited with status 3 before the handshake", "told to exit"},
		},
		{
			name: "clean exit before the handshake", args: []string{"exit=0"}, state: Backoff,
			reason: []string{"exited with status 0 before the handshake"},
		},
		{
			name: "hang before the handshake", args: []string{"hang"}, state: Backoff,
			reason: []string{"no handshake", "not ready within 1s"},
		},
		{
			name: "stopped after the handshake", args: []string{"frozen"}, state: Backoff,
			reason: []string{"not ready within 1s"},
		},
		{
			name: "listens on tcp", args: []string{"elsewhere=tcp|127.0.0.1:1"}, state: Backoff,
			reason: []string{"listens on tcp 127.0.0.1:1, not on a unix socket in the directory"},
		},
		{
			name: "listens in a directory of others", args: []string{"elsewhere=unix|/tmp/socket"}, state: Backoff,
			reason: []string{"listens on unix /tmp/socket"},
		},
		{
			name: "wrong magic cookie", args: []string{"foreign"}, state: Quarantined, forGood: true,
			reason: []string{"not a Stowage plugin", "magic cookie"},
		},
		{
			name: "newer protocol", args: []string{"version=7"}, state: Quarantined, forGood: true,
			reason: []string{"speaks version 7 of the Stowage plugin protocol, this host speaks 1", "upgrade the host"},
		},
		{
			name: "no plugin at all", state: Backoff,
			path:   func(*testing.T) string { return "/bin/true" },
			reason: []string{"exited with status 0 before the handshake; is it a Stowage plugin?"},
		},
		{
			name: "not executable", state: Quarantined,
			path:   func(t *testing.T) string { return installed(t, 0o644, nil) },
			reason: []string{"is not executable", "chmod a+x"},
		},
		{
			name: "world-writable", state: Quarantined,
			path:   func(t *testing.T) string { return installed(t, 0o777, nil) },
			reason: []string{"everybody may write", "chmod go-w"},
		},
		{
			name: "truncated", state: Quarantined,
			path:   func(t *testing.T) string { return installed(t, 0o755, func(n int) int { return n / 2 }) },
			reason: []string{"cut short"},
		},
		{
			name: "missing", state: Quarantined,
			path:   func(t *testing.T) string { return filepath.Join(t.TempDir(), "stowage-plugin-test") },
			reason: []string{"no such file"},
		},
		{
			name: "missing interpreter", state: Backoff,
			path: func(t *testing.T) string {
				path := filepath.Join(t.TempDir(), "stowage-plugin-test")
				if err := os.WriteFile(path, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
					t.Fatal(err)
				}
				return path
			},
			reason: []string{"interpreter it names, does not exist"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.opts.StartTimeout = 5 * time.Second
			if slices.Contains([]string{"hang", "frozen"}, strings.Join(tt.args, " ")) {
				h.opts.StartTimeout = time.Second
			}
			h.opts.BackoffMin = time.Hour
			path := pluginPath(t)
			if tt.path != nil {
				path = tt.path(t)
			}
			p := New(Spec{Name: "test", Path: path, Args: tt.args}, h.opts)
			defer h.stop(p)
			err := p.Start(t.Context())
			if err == nil {
				t.Fatal("Start succeeded")
			}
			st := awaitState(t, p, 5*time.Second, tt.state)
			for _, part := range tt.reason {
				if !strings.Contains(err.Error(), part) || !strings.Contains(st.LastReason, part) {
					t.Errorf("Start: %v\nStatus: %s\nboth must say %q", err, st.LastReason, part)
				}
			}
			if st.PID != 0 || st.NextAttempt.IsZero() != tt.forGood {
				t.Errorf("status %+v", st)
			}
			if left := children(t, h.opts.RunDir.Path()); len(left) > 0 {
				t.Errorf("run directory still holds %v", left)
			}
		})
	}
}

func TestPanicTraceIsKept(t *testing.T) {
	h := newHarness(t)
	h.opts.BackoffMin = time.Hour
	p := h.start("die-after=100ms")
	st := awaitState(t, p, 5*time.Second, Backoff)
	await(t, "reason", time.Second, func() bool { st = p.Status(); return len(st.LastOutput) > 0 })
	if want := "exited with status 2; its last words: panic: told to die"; st.LastReason != want {
		t.Errorf("reason %q, want %q", st.LastReason, want)
	}
	if trace := strings.Join(st.LastOutput, "\n"); !strings.HasPrefix(trace, "panic: told to die") || !strings.Contains(trace, "main.go:") {
		t.Errorf("trace:\n%s", trace)
	}
	for _, e := range h.log.find("told to die") {
		if e["@level"] != "error" && e["@level"] != "warn" {
			t.Errorf("logged at %v: %v", e["@level"], e["@message"])
		}
	}
}

func TestRestartAfterACrash(t *testing.T) {
	h := newHarness(t)
	type life struct {
		generation uint64
		pid        int
	}
	var mu sync.Mutex
	var order []string
	h.opts.OnUp = func(_ context.Context, _ *wire.Client, generation uint64) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprint("up ", generation))
		return nil
	}
	h.opts.OnDown = func(generation uint64, _ string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprint("down ", generation))
	}
	p := h.start()
	first := life{p.Status().Generation, p.Status().PID}
	if err := syscall.Kill(first.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "a second generation", 10*time.Second, func() bool {
		st := p.Status()
		return st.State == Ready && st.Generation == first.generation+1
	})
	st := p.Status()
	if st.Restarts != 1 || st.PID == first.pid || !strings.Contains(st.LastReason, "killed by signal 9") {
		t.Errorf("status %+v", st)
	}
	if processExists(first.pid) {
		t.Error("the predecessor still runs")
	}
	client, generation, err := p.Client()
	if err != nil || generation != st.Generation {
		t.Fatalf("Client: %d, %v", generation, err)
	}
	if _, err := client.Health(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got, want := strings.Join(order, ", "), "up 1, down 1, up 2"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestCrashLoopIsQuarantinedAndTriedAgain(t *testing.T) {
	h := newHarness(t)
	h.opts.BackoffMin, h.opts.CrashLimit, h.opts.Cooldown = 10*time.Millisecond, 3, 200*time.Millisecond
	var mu sync.Mutex
	var states []string
	h.opts.Events.Process = func(info event.ProcessInfo) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, fmt.Sprint(info.State, " ", info.Generation))
	}
	p := h.process("crash")
	if err := p.Start(t.Context()); err == nil {
		t.Fatal("Start succeeded")
	}
	want := "starting 1, backoff 1, starting 2, backoff 2, starting 3, quarantined 3, starting 4, quarantined 4"
	seen := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(states, ", ")
	}
	await(t, "a second quarantine", 20*time.Second, func() bool { return len(seen()) >= len(want) })
	if got := seen(); !strings.HasPrefix(got, want) {
		t.Errorf("states %q\nwant   %q", got, want)
	}
}

func TestGiveUpReplacesTheProcess(t *testing.T) {
	h := newHarness(t)
	p := h.start()
	pid := p.Status().PID
	p.GiveUp(99, "another generation")
	p.GiveUp(1, "a write of unknown outcome")
	await(t, "a second generation", 10*time.Second, func() bool { return p.Status().Generation >= 2 && p.Status().State == Ready })
	if st := p.Status(); processExists(pid) || st.LastReason != "given up: a write of unknown outcome" {
		t.Errorf("status %+v", st)
	}
}

func TestStoppedProcessIsReplaced(t *testing.T) {
	h := newHarness(t)
	h.opts.HealthInterval, h.opts.HealthTimeout, h.opts.HealthMisses = 50*time.Millisecond, 300*time.Millisecond, 2
	p := h.start()
	pid := p.Status().PID
	freeze(t, p)
	await(t, "a second generation", 10*time.Second, func() bool { return p.Status().Generation >= 2 && p.Status().State == Ready })
	if processExists(pid) {
		t.Error("the stopped process still exists")
	}
	if st := p.Status(); !strings.Contains(st.LastReason, "2 health checks failed") {
		t.Errorf("reason %q", st.LastReason)
	}
}

func TestStopIsBounded(t *testing.T) {
	tests := []struct {
		name   string
		args   func(file string) []string
		frozen bool
		within time.Duration
	}{
		{name: "well-behaved", within: 2 * time.Second},
		{name: "stopped by SIGSTOP", frozen: true, within: 3 * time.Second},
		{name: "ignores SIGTERM and stdin", args: func(string) []string { return []string{"stubborn"} }, within: 3 * time.Second},
		{name: "grandchild holds stderr", args: func(file string) []string { return []string{"grandchild=" + file} }, within: 3 * time.Second},
		{name: "grandchild of another session holds stderr", args: func(file string) []string { return []string{"escaped=" + file} }, within: 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.opts.ShutdownTimeout, h.opts.ExitTimeout = 500*time.Millisecond, 300*time.Millisecond
			file := filepath.Join(t.TempDir(), "pid")
			var args []string
			if tt.args != nil {
				args = tt.args(file)
			}
			p := h.start(args...)
			if tt.frozen {
				freeze(t, p)
			}
			begin := time.Now()
			h.stop(p)
			if took := time.Since(begin); took > tt.within {
				t.Errorf("Stop took %v, want at most %v", took, tt.within)
			}
			if len(args) > 0 && strings.HasPrefix(args[0], "grandchild=") {
				grandchild := readPID(t, file)
				await(t, "end of the grandchild", time.Second, func() bool { return !processExists(grandchild) })
			}
			if len(args) > 0 && strings.HasPrefix(args[0], "escaped=") {
				_ = syscall.Kill(readPID(t, file), syscall.SIGKILL)
			}
		})
	}
}

func TestStopKillsAtOnceWhenItsContextHasEnded(t *testing.T) {
	h := newHarness(t)
	h.opts.ShutdownTimeout = time.Hour
	p := h.start()
	freeze(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Stop took %v", took)
	}
}

func TestCrashedPluginsGrandchildIsEnded(t *testing.T) {
	h := newHarness(t)
	h.opts.BackoffMin = time.Hour
	file := filepath.Join(t.TempDir(), "pid")
	p := h.start("grandchild=" + file)
	grandchild := readPID(t, file)
	if err := syscall.Kill(p.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitState(t, p, 5*time.Second, Backoff)
	await(t, "end of the grandchild", time.Second, func() bool { return !processExists(grandchild) })
}

func TestTwentyPluginsInParallel(t *testing.T) {
	h := newHarness(t)
	h.opts.StartTimeout = time.Minute
	var wg sync.WaitGroup
	plugins := make([]*Process, 20)
	for i := range plugins {
		plugins[i] = New(Spec{Name: fmt.Sprint("test-", i), Path: pluginPath(t)}, h.opts)
		wg.Go(func() {
			if err := plugins[i].Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	pids := make(map[int]bool)
	for _, p := range plugins {
		client, _, err := p.Client()
		if err == nil {
			_, err = client.Health(t.Context())
		}
		if err != nil {
			t.Errorf("%+v: %v", p.Status(), err)
		}
		pids[p.Status().PID] = true
	}
	if len(pids) != len(plugins) {
		t.Errorf("%d processes for %d plugins", len(pids), len(plugins))
	}
	for _, p := range plugins {
		wg.Go(func() {
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for pid := range pids {
		if processExists(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if left := children(t, h.opts.RunDir.Path()); len(left) > 0 {
		t.Errorf("run directory still holds %v", left)
	}
}

// TestBusyBinary holds the private copy open for writing, as a process that was forked while the copy was made would.
func TestBusyBinary(t *testing.T) {
	h := newHarness(t)
	copied, _, err := h.opts.Store.Prepare(t.Context(), trust.Policy{}, pluginPath(t), trust.Digest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o700); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(copied, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := startChild(timeoutContext(t, 100*time.Millisecond), copied, []string{"x"}, nil, "/"); !errors.Is(err, syscall.ETXTBSY) {
		t.Fatalf("start of a busy binary: %v, want %v", err, syscall.ETXTBSY)
	}
	release := time.AfterFunc(200*time.Millisecond, func() { _ = writer.Close() })
	defer release.Stop()
	h.start()
}

func timeoutContext(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
