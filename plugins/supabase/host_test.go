package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/plugins/memory/memory"
	"github.com/p2p-ai-agents/stowage/plugins/supabase/supabase"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func newProject(t testing.TB, options supabasetest.ProjectOptions) *supabasetest.Project {
	t.Helper()
	p := supabasetest.Open(t, cluster, options)
	sql, err := supabase.SchemaOptions{}.SQL()
	if err == nil {
		err = supabase.Migrate(t.Context(), p.DSN(), sql)
	}
	if err == nil {
		err = p.ReloadSchema(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	p.MakeBucket("large", false)
	return p
}

var namespaces atomic.Int64

// configure writes a configuration with the backend cloud, and what else is
// given, and returns its path. Every one has a namespace of its own.
func configure(t testing.TB, p *supabasetest.Project, inner, rest string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	text := fmt.Sprintf(`
host { plugin_dirs = [%q] }
plugin "supabase" { transport = "child" }
backend "cloud" {
  plugin   = "supabase"
  priority = 10
  config {
    url            = %q
    secret_key     = %q
    namespace      = "host %d"
    watch_interval = "20ms"
    %s
  }
}
%s`, plugins, p.URL, p.SecretKey, namespaces.Add(1), inner, rest)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t testing.TB, path string) *host.Host {
	t.Helper()
	h, err := host.New(host.Options{ConfigPath: path, Builtins: []sdk.Plugin{local.Plugin(), memory.Plugin()}})
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
	if err := h.Ready(); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestConformanceThroughAHost(t *testing.T) {
	project := newProject(t, supabasetest.ProjectOptions{})
	for name, config := range map[string]struct{ inner, rest string }{
		"small values": {},
		"large values": {inner: "bucket = \"large\"\n inline_limit = 0"},
		"prefer_cache": {inner: `bucket = "large"`, rest: `
backend "near" { plugin = "memory" }
policy "prefer_cache" "p" {
  cache  = backend.near
  source = backend.cloud
}
route "" { to = policy.p }`},
		"first_available": {inner: `bucket = "large"`, rest: `
backend "near" { plugin = "local" }
policy "first_available" "p" { order = [backend.cloud, backend.near] }
route "" { to = policy.p }`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, configure(t, project, config.inner, config.rest))
			storagetest.Run(t, storagetest.Harness{
				Open: func(testing.TB) storage.Backend { return keptOpen{h.Store()} },
				Options: storagetest.Options{
					KeepOpen: true, MaxValueBytes: 15 << 20, Concurrency: 8,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers of a host have 2 KiB"},
				},
			})
		})
	}
}

// keptOpen is a store that serves several groups of cases.
type keptOpen struct{ storage.Store }

func (keptOpen) Close(context.Context) error { return nil }

// pattern is n bytes that need no room.
type pattern struct {
	rng  *rand.ChaCha8
	left int64
}

func newPattern(seed byte, n int64) *pattern {
	return &pattern{rng: rand.NewChaCha8([32]byte{seed}), left: n}
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.left)]
	n, _ := p.rng.Read(b)
	p.left -= int64(n)
	return n, nil
}

func TestAGibibyteIsStoredInBoundedMemory(t *testing.T) {
	const size = 1 << 30
	project := newProject(t, supabasetest.ProjectOptions{FileSizeLimit: 2 << 30})
	h := start(t, configure(t, project, `bucket = "large"`, ""))
	res, err := h.Store().Put(t.Context(), "k", newPattern(1, size), storage.PutOptions{})
	if err != nil || res.Object.Size != size {
		t.Fatalf("%+v, %v", res, err)
	}
	r, err := h.Store().Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); n != size || err != nil { // the reader compares checksums
		t.Fatalf("%d bytes, %v", n, err)
	}
	if peak := peakMemory(t, plugin(t, h)); peak > 256<<20 {
		t.Errorf("the plugin had %d MiB in memory", peak>>20)
	} else {
		t.Logf("the plugin had at most %d MiB in memory", peak>>20)
	}
}

// plugin is the process id of the plugin.
func plugin(t testing.TB, h *host.Host) int {
	t.Helper()
	for _, p := range h.Status().Plugins {
		if p.Name == "supabase" && len(p.Processes) > 0 {
			return p.Processes[0].PID
		}
	}
	t.Fatal("no process runs the plugin")
	return 0
}

func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not say")
	return 0
}

func TestNoKeyIsInACrashDump(t *testing.T) {
	project := newProject(t, supabasetest.ProjectOptions{})
	var log lockedBuffer
	h, err := host.New(host.Options{
		ConfigPath: configure(t, project, "", ""),
		Logger:     hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stall := project.Inject(supabasetest.Fault{Kind: supabasetest.Stall, Match: "/rpc/stowage_put", Times: -1})
	defer stall.Release()
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		_, _ = h.Store().Put(ctx, "k", strings.NewReader("v"), storage.PutOptions{})
		close(done)
	}()
	if err := stall.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(plugin(t, h), syscall.SIGQUIT); err != nil { // it prints all its stacks
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), "goroutine "); {
		if time.Now().After(deadline) {
			t.Fatal("the dump is not in the log")
		}
		time.Sleep(10 * time.Millisecond)
	}
	giveUp()
	<-done
	if text := log.String(); strings.Contains(text, project.SecretKey) {
		t.Error("the key is in the log")
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A plugin that is killed may have requests under way. Its successor must not
// be overtaken by them.
func TestARequestOfAKilledPluginDoesNotLandOverALaterWrite(t *testing.T) {
	project := newProject(t, supabasetest.ProjectOptions{})
	h := start(t, configure(t, project, "", ""))
	set := func(ctx context.Context, value string) error {
		_, err := h.Store().Put(ctx, "k", strings.NewReader(value), storage.PutOptions{})
		return err
	}
	if err := set(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	late := project.Inject(supabasetest.Fault{Kind: supabasetest.Late, Match: "/rpc/stowage_put"})
	failed := make(chan error, 1)
	go func() { failed <- set(t.Context(), "late") }()
	if err := late.WaitHit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	killed := plugin(t, h)
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The host repeats it, if it can; then it is over before the next one begins.
	if err := <-failed; err != nil && !storage.AsError(err).OutcomeUnknown {
		t.Errorf("the write under way: %v", err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := set(t.Context(), "new")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	late.Release()
	if err := late.WaitDone(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	r, err := h.Store().Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Bytes(); string(got) != "new" || err != nil {
		t.Errorf("a dead plugin's request landed: %q, %v", got, err)
	}
}
