package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/manager"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// write puts a configuration into a directory of its own and returns its path.
func write(t testing.TB, text string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, text, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t testing.TB, path string) *host.Host {
	t.Helper()
	h, err := host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{local.Plugin()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func put(t testing.TB, s storage.Store, key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(value), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s storage.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// eventually waits for something that happens in another process.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func process(t testing.TB, h *host.Host, plugin string) manager.ProcessStatus {
	t.Helper()
	for _, p := range h.Status().Plugins {
		if p.Name == plugin && len(p.Processes) > 0 {
			return p.Processes[0]
		}
	}
	t.Fatalf("no process runs plugin %s: %+v", plugin, h.Status().Plugins)
	return manager.ProcessStatus{}
}

func backendState(h *host.Host, name string) manager.BackendStatus {
	for _, b := range h.Status().Backends {
		if b.Name == name {
			return b
		}
	}
	return manager.BackendStatus{}
}

func TestConformance(t *testing.T) {
	plugins := folder(t, localPlugin(t))
	const whole = `
host { plugin_dirs = [%q] }
plugin "local" { transport = %q }
backend "b" {
  plugin = "local"
  config { %s }
}
%s`
	for _, transport := range []string{"builtin", "child"} {
		for engine, body := range map[string]string{"memory": "", "disk": `path = "./objects"`} {
			for policy, extra := range map[string]string{
				"bare":            "",
				"always_use":      "policy \"always_use\" \"p\" { backend = backend.b }\nroute \"\" { to = policy.p }",
				"first_available": "policy \"first_available\" \"p\" { order = [backend.b] }\nroute \"\" { to = policy.p }",
			} {
				if policy != "bare" && (transport == "builtin" || engine == "disk") {
					continue // policies do not know where a backend runs or what it keeps
				}
				t.Run(transport+"/"+engine+"/"+policy, func(t *testing.T) {
					t.Parallel()
					storagetest.Run(t, storagetest.Harness{
						Open: func(t testing.TB) storage.Backend {
							return start(t, write(t, whole, plugins, transport, body, extra)).Store()
						},
						Options: storagetest.Options{
							KeepOpen: true, // a host closes its backends, not its callers
							Skip:     map[string]string{"metadata/four-kib-are-accepted": "callers of a host have 2 KiB"},
						},
					})
				})
			}
		}
	}
}

func TestAKilledPluginComesBackWithEveryAcknowledgedWrite(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
plugin "local" { transport = "child" }
backend "disk" {
  plugin = "local"
  retry { max_attempts = 10 }
  config { path = "./objects" }
}`, folder(t, localPlugin(t))))
	for i := range 50 {
		put(t, h.Store(), fmt.Sprint("key", i), fmt.Sprint("value", i))
	}
	before := process(t, h, "local")
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the plugin was started again", func() bool {
		p := process(t, h, "local")
		return p.PID != before.PID && p.State == "ready" && backendState(h, "disk").State == "serving"
	})
	for i := range 50 {
		if got := get(t, h.Store(), fmt.Sprint("key", i)); got != fmt.Sprint("value", i) {
			t.Errorf("key%d holds %q after the restart", i, got)
		}
	}
	if got := process(t, h, "local"); got.Restarts != 1 || !strings.Contains(got.LastReason, "killed") {
		t.Errorf("status after a kill: %+v", got)
	}
}

func TestOneBadPluginStopsNobodyElse(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
backend "good" {
  plugin   = "local"
  priority = 1
}
backend "bad" { plugin = "crasher" }`, folder(t, localPlugin(t), testPlugin(t, "crasher", "crash"))))
	put(t, h.Store(), "k", "v")
	if got := backendState(h, "bad"); got.State != "down" || !strings.Contains(got.Reason, "told to crash") {
		t.Errorf("the crashing plugin's backend: %+v", got)
	}
	quarantined := h.Status().Quarantined
	if !slices.ContainsFunc(quarantined, func(q manager.Quarantined) bool { return strings.HasSuffix(q.Path, "crasher") }) {
		t.Errorf("quarantined: %+v", quarantined)
	}
	if err := h.Ready(); err != nil {
		t.Error(err)
	}
}

func TestEveryUnusableFileIsShownWithAReason(t *testing.T) {
	dir := folder(t, localPlugin(t), testPlugin(t, "test", ""))
	spoil := func(name string, content []byte, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(localPlugin(t))
	if err != nil {
		t.Fatal(err)
	}
	spoil("stowage-plugin-noexec", whole, 0o644)
	spoil("stowage-plugin-open", whole, 0o777)
	spoil("stowage-plugin-cut", whole[:len(whole)/2], 0o755)
	spoil("stowage-plugin-other", whole, 0o755) // says that it is local
	spoil("README", []byte("hello"), 0o644)
	h := start(t, write(t, "host { plugin_dirs = [%q, \"./missing\"] }\nbackend \"b\" { plugin = \"local\" }", dir))
	reasons := make(map[string]string)
	for _, q := range h.Status().Quarantined {
		reasons[filepath.Base(q.Path)] = q.Reason
	}
	for name, want := range map[string]string{
		"stowage-plugin-noexec": "chmod", "stowage-plugin-open": "chmod", "stowage-plugin-cut": "", "stowage-plugin-other": "local",
		"README": "", "missing": "does not exist",
	} {
		if got, ok := reasons[name]; !ok || !strings.Contains(got, want) {
			t.Errorf("%s: reason %q, want one with %q", name, got, want)
		}
	}
}

func TestABackendWhoseDirectoryIsTakenOpensWhenItIsFree(t *testing.T) {
	const config = `
host {
  plugin_dirs = []
  data_dir    = %q
}
backend "disk" {
  plugin = "local"
  config { path = %q }
}`
	objects := t.TempDir()
	first := start(t, write(t, config, t.TempDir(), objects))
	second := start(t, write(t, config, t.TempDir(), objects))
	if got := backendState(second, "disk"); got.State != "down" || !strings.Contains(got.Reason, "in use by") {
		t.Fatalf("the second host's backend: %+v", got)
	}
	if second.Ready() == nil {
		t.Error("a host none of whose backends serves is ready")
	}
	put(t, first.Store(), "k", "v")
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second host has the directory", func() bool { return second.Ready() == nil })
	if got := get(t, second.Store(), "k"); got != "v" {
		t.Errorf("the second host reads %q", got)
	}
}

func TestDedicatedBackendsHaveProcessesOfTheirOwn(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
plugin "local" { isolation = "dedicated" }
backend "a" { plugin = "local" }
backend "b" { plugin = "local" }`, folder(t, localPlugin(t))))
	pids := make(map[int]bool)
	for _, p := range h.Status().Plugins {
		for _, process := range p.Processes {
			pids[process.PID] = true
		}
	}
	if len(pids) != 2 {
		t.Errorf("%d processes run two dedicated backends", len(pids))
	}
}

func TestRoutesSendKeysToTheirBackends(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [] }
backend "a" { plugin = "local" }
backend "b" { plugin = "local" }
policy "always_use" "pa" { backend = backend.a }
route "models/" { to = policy.pa }
route ""        { to = backend.b }`))
	put(t, h.Store(), "models/x", "1")
	put(t, h.Store(), "other", "2")
	stats := h.Stats()
	for _, name := range []string{"a", "b"} {
		if n := stats.Backends[name].Operations["put"].Count; n != 1 {
			t.Errorf("backend %s had %d puts", name, n)
		}
	}
	page, err := h.Store().List(t.Context(), storage.ListOptions{})
	if err != nil || len(page.Objects) != 2 {
		t.Errorf("the listing over both routes: %+v, %v", page, err)
	}
}

func TestAPanicInAMethodFailsThatCallOnly(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
backend "b" {
  plugin = "test"
  config { panic_key = "boom" }
}`, folder(t, testPlugin(t, "test", ""))))
	put(t, h.Store(), "calm", "v")
	before := process(t, h, "test")
	_, err := h.Store().Stat(t.Context(), "boom", storage.StatOptions{})
	var e *storage.Error
	if !errors.As(err, &e) || e.Code != storage.CodeInternal || e.Backend != "b" {
		t.Errorf("a panic came back as %v", err)
	}
	if got := get(t, h.Store(), "calm"); got != "v" {
		t.Errorf("after a panic another key reads %q", got)
	}
	if after := process(t, h, "test"); after.PID != before.PID || after.Restarts != 0 {
		t.Errorf("the process did not survive: %+v", after)
	}
}

func TestAStoppedPluginFailsOperationsWithinTheirDeadline(t *testing.T) {
	h := start(t, write(t, `
host { plugin_dirs = [%q] }
plugin "local" { transport = "child" }
backend "b" {
  plugin  = "local"
  timeout = "500ms"
  retry { max_attempts = 1 }
}`, folder(t, localPlugin(t))))
	put(t, h.Store(), "k", "v")
	pid := process(t, h, "local").PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every thread of the plugin has stopped", func() bool { return allStopped(t, pid) })
	began := time.Now()
	_, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{})
	if !errors.Is(err, storage.ErrDeadlineExceeded) && !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a stopped plugin answered with %v", err)
	}
	_, err = h.Store().Put(t.Context(), "k", strings.NewReader("w"), storage.PutOptions{})
	var e *storage.Error
	if !errors.As(err, &e) || !e.OutcomeUnknown && !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a write to a stopped plugin: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("two operations took %v", took)
	}
	began = time.Now()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("closing took %v", took)
	}
}

// allStopped reports whether a signal has stopped all threads of a process. Those
// on another CPU go on for a moment.
func allStopped(t testing.TB, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return len(stats) > 0
}

func TestBeforeStartAndAfterCloseTheStoreIsUnavailable(t *testing.T) {
	h, err := host.New(host.Options{Builtins: []sdk.Plugin{local.Plugin()}})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Store()
	check := func() {
		t.Helper()
		if _, err := s.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Error(err)
		}
	}
	check()
	t.Chdir(t.TempDir())
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	if err := h.Start(t.Context()); err == nil {
		t.Error("a closed host was started")
	}
}

func TestReservedMetadataIsNotForCallers(t *testing.T) {
	h := start(t, write(t, "host { plugin_dirs = [] }\nbackend \"b\" { plugin = \"local\" }"))
	opts := storage.PutOptions{Metadata: map[string]string{"stowage-x": "1"}}
	if _, err := h.Store().Put(t.Context(), "k", bytes.NewReader(nil), opts); !errors.Is(err, storage.ErrInvalidArgument) {
		t.Error(err)
	}
	res, err := h.Store().Put(t.Context(), "k", bytes.NewReader(nil), storage.PutOptions{If: storage.IfAbsent()})
	if err != nil || len(res.Object.Metadata) != 0 {
		t.Errorf("metadata of a conditional write: %v, %v", res.Object.Metadata, err)
	}
}
