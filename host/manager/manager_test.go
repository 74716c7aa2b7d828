package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gated is a plugin whose backends are opened by what open says.
func gated(open func(ctx context.Context, name string) error) sdk.Plugin {
	return sdk.Plugin{
		Name: "gated", Version: "1.0.0",
		Open: func(ctx context.Context, in sdk.Instance) (storage.Backend, error) {
			if err := open(ctx, in.Name); err != nil {
				return nil, err
			}
			return local.OpenMemory(local.MemoryOptions{}), nil
		},
	}
}

// managed prepares a Manager of n backends, b0 and so on, of plugin.
func managed(t *testing.T, n int, plugin sdk.Plugin) *Manager {
	t.Helper()
	var src string
	for i := range n {
		src += fmt.Sprintf("backend \"b%d\" { plugin = %q }\n", i, plugin.Name)
	}
	policies, err := PolicySchemas()
	if err != nil {
		t.Fatal(err)
	}
	return configured(t, src, policies, plugin)
}

// configured prepares a Manager of a configuration without a host block.
func configured(t *testing.T, src string, policies map[string]*schema.Schema, plugin sdk.Plugin) *Manager {
	t.Helper()
	src = fmt.Sprintf("host {\n  plugin_dirs = []\n  data_dir = %q\n}\n%s", t.TempDir(), src)
	cfg, diags := config.Parse("config.hcl", []byte(src), config.Options{Policies: policies})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	m := New(Options{Config: cfg, Builtins: []sdk.Plugin{plugin}})
	t.Cleanup(func() {
		if err := m.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func state(m *Manager, name string) BackendStatus {
	for _, b := range m.Backends() {
		if b.Name == name {
			return b
		}
	}
	return BackendStatus{}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// anew plays what a supervisor does when a process is replaced.
func anew(t *testing.T, m *Manager, announceDown bool) {
	t.Helper()
	u := m.running()[0]
	if announceDown {
		u.down("killed")
	}
	linked, err := sdk.InProcess(u.source.plugin, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = linked.Shutdown(context.Background(), wire.DefaultShutdownGrace) })
	u.up(linked)
}

func TestABackendThatHangsWhileItOpensStopsNobodyElse(t *testing.T) {
	var hang atomic.Bool
	m := managed(t, 2, gated(func(ctx context.Context, name string) error {
		if name == "b1" && hang.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	hang.Store(true)
	anew(t, m, true)
	waitFor(t, "b0 serves again", func() bool { return state(m, "b0").State == "serving" })
	if got := state(m, "b1"); got.State != "down" {
		t.Errorf("b1: %+v", got)
	}
	hang.Store(false)
	for _, announced := range []bool{true, false} { // a supervisor may also replace a process whose end it did not announce
		anew(t, m, announced)
		waitFor(t, "both serve", func() bool { return state(m, "b0").State == "serving" && state(m, "b1").State == "serving" })
	}
}

func TestALateFailureOnAnEndedInstanceLeavesItsSuccessorServing(t *testing.T) {
	late := make(chan struct{})
	returned := make(chan struct{})
	var opens atomic.Int32
	m := managed(t, 1, gated(func(context.Context, string) error {
		if opens.Add(1) == 2 {
			defer close(returned)
			<-late
			return errors.New("too late")
		}
		return nil
	}))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	anew(t, m, true) // the second open hangs
	waitFor(t, "the second open runs", func() bool { return opens.Load() == 2 })
	anew(t, m, false)
	waitFor(t, "b0 serves on the third", func() bool { return state(m, "b0").State == "serving" })
	close(late)
	<-returned
	m.work.Wait()
	if got := state(m, "b0"); got.State != "serving" {
		t.Errorf("the late failure took the successor out of service: %+v", got)
	}
}

func TestABackendThatFailsToOpenIsTriedAgain(t *testing.T) {
	var opens atomic.Int32
	m := managed(t, 1, gated(func(context.Context, string) error {
		if opens.Add(1) == 1 {
			return errors.New("not yet")
		}
		return nil
	}))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(m, "b0"); got.State != "down" || !strings.Contains(got.Reason, "not yet") {
		t.Errorf("after the first attempt: %+v", got)
	}
	if m.Ready() == nil {
		t.Error("a host none of whose backends serves is ready")
	}
	waitFor(t, "b0 serves", func() bool { return m.Ready() == nil })
}

func TestStopDuringStartEndsBoth(t *testing.T) {
	for delay := range 12 {
		opening := make(chan struct{}, 8)
		m := managed(t, 4, gated(func(ctx context.Context, _ string) error {
			opening <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}))
		started := make(chan error, 1)
		go func() { started <- m.Start(context.Background()) }()
		if delay%3 == 0 {
			<-opening // in the middle of the opening, else anywhere before it
		} else {
			time.Sleep(time.Duration(delay) * time.Millisecond / 4)
		}
		if err := m.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-started; err == nil {
			t.Error("Start of a stopped manager succeeded")
		}
	}
}

func TestEveryStopWaitsUntilAllIsDown(t *testing.T) {
	m := managed(t, 2, gated(func(context.Context, string) error { return nil }))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lease, err := m.registry.Acquire(t.Context(), "b0")
	if err != nil {
		t.Fatal(err)
	}
	var stopped atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := m.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			stopped.Add(1)
		})
	}
	waitFor(t, "new requests are refused", func() bool { return state(m, "b0").State == "down" })
	if n := stopped.Load(); n != 0 {
		t.Errorf("%d calls of Stop returned while an operation was under way", n)
	}
	lease.Release()
	wg.Wait()
}

func TestStatusMayBeAskedForWhileStarting(t *testing.T) {
	m := managed(t, 50, gated(func(context.Context, string) error { return nil }))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					m.Plugins()
					m.Backends()
					m.Policies()
					_ = m.Ready()
				}
			}
		})
	}
	if err := m.Start(t.Context()); err != nil {
		t.Error(err)
	}
	close(done)
	wg.Wait()
}
