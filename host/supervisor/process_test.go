package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/internal/wire"
)

func TestLifeOfAPlugin(t *testing.T) {
	h := newHarness(t)
	var mu sync.Mutex
	var seen []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, what)
	}
	h.opts.OnUp = func(ctx context.Context, c *wire.Client, generation uint64) error {
		note("up")
		_, err := c.Describe(ctx)
		return err
	}
	h.opts.OnDown = func(generation uint64, reason string) { note("down: " + reason) }
	h.opts.Events.Process = func(info event.ProcessInfo) { note(info.State) }

	p := h.process()
	if st := p.Status(); st.State != Discovered {
		t.Errorf("before Start: %v", st.State)
	}
	if _, _, err := p.Client(); !errors.Is(err, ErrNotReady) {
		t.Errorf("Client before Start: %v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := p.Status()
	if st.State != Ready || st.PID == 0 || st.Generation != 1 || st.Restarts != 0 || time.Since(st.StartedAt) > time.Minute {
		t.Errorf("after Start: %+v", st)
	}
	client, generation, err := p.Client()
	if err != nil || generation != 1 {
		t.Fatalf("Client: generation %d, %v", generation, err)
	}
	if _, err := client.Health(t.Context()); err != nil {
		t.Errorf("Health: %v", err)
	}
	if err := p.Start(t.Context()); err == nil {
		t.Error("a second Start succeeded")
	}
	h.stop(p)
	if _, _, err := p.Client(); !errors.Is(err, ErrNotReady) {
		t.Errorf("Client after Stop: %v", err)
	}
	if left := children(t, h.opts.RunDir.Path()); len(left) > 0 {
		t.Errorf("run directory still holds %v", left)
	}
	want := []string{"starting", "starting", "up", "ready", "draining", "down: stopped", "stopped"}
	if !slices.Equal(seen, want) {
		t.Errorf("happened: %q\nwant:     %q", seen, want)
	}
	if entries := h.log.find("did not"); len(entries) > 0 {
		t.Errorf("a clean stop was not clean: %v", entries)
	}
}

func TestStopMayComeAtAnyTime(t *testing.T) {
	t.Run("without Start", func(t *testing.T) {
		p := newHarness(t).process()
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := p.Start(t.Context()); err == nil {
			t.Error("Start after Stop succeeded")
		}
	})
	t.Run("many times at once", func(t *testing.T) {
		h := newHarness(t)
		p := h.start()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := p.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				if processExists(p.Status().PID) {
					t.Error("Stop returned before the process had ended")
				}
			})
		}
		wg.Wait()
	})
	t.Run("while the plugin starts", func(t *testing.T) {
		h := newHarness(t)
		p := h.process("hang")
		result := make(chan error, 1)
		go func() { result <- p.Start(context.WithoutCancel(t.Context())) }()
		await(t, "a process in its launch", 5*time.Second, func() bool { return len(children(t, h.opts.RunDir.Path())) > 0 })
		h.stop(p)
		if err := <-result; err == nil {
			t.Error("Start of a stopped plugin succeeded")
		}
	})
	t.Run("while it waits for the next attempt", func(t *testing.T) {
		h := newHarness(t)
		h.opts.BackoffMin = time.Hour
		p := h.process("crash")
		if err := p.Start(t.Context()); err == nil {
			t.Fatal("Start succeeded")
		}
		awaitState(t, p, 5*time.Second, Backoff)
		h.stop(p)
	})
}

func TestStartEndsWithItsContext(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p := h.process("hang")
	if err := p.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start: %v, want %v", err, context.DeadlineExceeded)
	}
	if st := p.Status(); st.State != Stopped {
		t.Errorf("state %v, want %v", st.State, Stopped)
	}
	if left := children(t, h.opts.RunDir.Path()); len(left) > 0 {
		t.Errorf("run directory still holds %v", left)
	}
}

func TestFailedOnUpIsAFailedLaunch(t *testing.T) {
	h := newHarness(t)
	h.opts.BackoffMin = time.Hour
	h.opts.OnUp = func(context.Context, *wire.Client, uint64) error { return errors.New("no such bucket") }
	h.opts.OnDown = func(uint64, string) { t.Error("OnDown without a successful OnUp") }
	p := h.process()
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("Start: %v", err)
	}
	st := awaitState(t, p, 5*time.Second, Backoff)
	if st.PID != 0 || st.LastReason != "no such bucket" {
		t.Errorf("status %+v", st)
	}
}

func TestOnUpEndsWithTheProcess(t *testing.T) {
	h := newHarness(t)
	h.opts.BackoffMin = time.Hour
	h.opts.OnUp = func(ctx context.Context, _ *wire.Client, _ uint64) error {
		<-ctx.Done() // a backend that never opens
		return ctx.Err()
	}
	p := h.process("die-after=50ms")
	begin := time.Now()
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "told to die") {
		t.Errorf("Start: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestEnvironmentOfAPlugin(t *testing.T) {
	t.Setenv("STOWAGE_TEST_PASSED", "from the host")
	t.Setenv("STOWAGE_TEST_SET", "from the host")
	t.Setenv("STOWAGE_TEST_SECRET", "of the host")
	h := newHarness(t)
	p := New(Spec{
		Name: "test", Path: pluginPath(t),
		PassEnv: []string{"STOWAGE_TEST_PASSED", "STOWAGE_TEST_SET", "STOWAGE_TEST_UNSET"},
		Env:     map[string]string{"STOWAGE_TEST_SET": "configured"},
	}, h.opts)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer h.stop(p)
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Status().PID))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		names = append(names, name)
		switch name {
		case "STOWAGE_TEST_PASSED":
			if value != "from the host" {
				t.Errorf("%s", v)
			}
		case "STOWAGE_TEST_SET":
			if value != "configured" {
				t.Errorf("%s", v)
			}
		case "HOME", "TMPDIR":
			if !strings.HasPrefix(value, h.opts.RunDir.Path()+"/") {
				t.Errorf("%s", v)
			}
		}
	}
	slices.Sort(names)
	want := []string{
		"HOME", "PATH", "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR",
		wire.DeathPipeEnv, wire.Handshake().MagicCookieKey, "STOWAGE_TEST_PASSED", "STOWAGE_TEST_SET", "TMPDIR",
	}
	if !slices.Equal(names, want) {
		t.Errorf("variables %q\nwant      %q", names, want)
	}
}

func TestEnvironmentIsChecked(t *testing.T) {
	h := newHarness(t)
	for name, spec := range map[string]Spec{
		"handshake variable passed": {PassEnv: []string{"PLUGIN_UNIX_SOCKET_DIR"}},
		"cookie set":                {Env: map[string]string{wire.Handshake().MagicCookieKey: "x"}},
		"impossible name":           {Env: map[string]string{"A=B": "x"}},
		"NUL in a value":            {Env: map[string]string{"A": "x\x00y"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec.Name, spec.Path = "test", "/bin/true"
			if err := New(spec, h.opts).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "environment") {
				t.Errorf("Start: %v", err)
			}
		})
	}
}

func TestAutoMTLS(t *testing.T) {
	h := newHarness(t)
	h.opts.AutoMTLS = true
	client, _, err := h.start().Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPluginOutlivesOtherThreads ends many threads: a plugin dies with the thread that forked it, which must not be one
// that the runtime, or anybody's locked goroutine, may end.
func TestPluginOutlivesOtherThreads(t *testing.T) {
	h := newHarness(t)
	p := h.process()
	var wg sync.WaitGroup
	endThreads := func() {
		for range 32 {
			wg.Go(runtime.LockOSThread) // a goroutine that ends locked takes its thread along
		}
		wg.Wait()
	}
	wg.Go(func() {
		runtime.LockOSThread()
		if err := p.Start(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	endThreads()
	client, _, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		endThreads()
		if _, err := client.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if st := p.Status(); st.State != Ready || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
}
