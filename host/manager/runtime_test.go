package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func always(context.Context, string) error { return nil }

func TestOperationsNeverFailBecauseOtherBackendsComeAndGo(t *testing.T) {
	m := managed(t, 2, gated(always))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var operations atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			key := fmt.Sprint("key", i)
			var etag string
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				opts := storage.PutOptions{}
				if etag != "" {
					opts.If = storage.IfETag(etag)
				}
				res, err := m.Store().Put(t.Context(), key, strings.NewReader(fmt.Sprint(n)), opts)
				if err != nil {
					t.Errorf("put %d: %v", n, err)
					return
				}
				etag = res.Object.ETag
				r, err := m.Store().Get(t.Context(), key, storage.GetOptions{})
				if err != nil {
					t.Errorf("get %d: %v", n, err)
					return
				}
				if value, err := r.Bytes(); err != nil || string(value) != fmt.Sprint(n) {
					t.Errorf("read %q after %d was written, %v", value, n, err)
					return
				}
				operations.Add(1)
			}
		})
	}
	for i := range 20 {
		seen := operations.Load()
		if err := m.AddBackend(t.Context(), NewBackend{Name: "late", Plugin: "gated", Priority: -1}); err != nil {
			t.Fatal(i, err)
		}
		waitFor(t, "operations go on", func() bool { return operations.Load() > seen || t.Failed() })
		if err := m.RemoveBackend(t.Context(), "late"); err != nil {
			t.Fatal(i, err)
		}
	}
	close(done)
	wg.Wait()
}

func TestWritesMoveOnFromABackendThatIsRemoved(t *testing.T) {
	m := managed(t, 2, gated(always))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	var written atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := m.Store().Put(t.Context(), fmt.Sprint("key", i), strings.NewReader("v"), storage.PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	for range 30 {
		if err := m.AddBackend(t.Context(), NewBackend{Name: "first", Plugin: "gated", Priority: 1}); err != nil {
			t.Fatal(err)
		}
		seen := written.Load()
		waitFor(t, "writes go on", func() bool { return written.Load() > seen+8 || t.Failed() })
		if err := m.RemoveBackend(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

func TestARemovedBackendIsClosedAfterItsLastOperation(t *testing.T) {
	m := managed(t, 2, gated(always))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lease, err := m.registry.Acquire(t.Context(), "b1")
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { removed <- m.RemoveBackend(context.Background(), "b1") }()
	waitFor(t, "nothing new is sent to b1", func() bool {
		another, err := m.registry.Acquire(t.Context(), "b1")
		if err == nil {
			another.Release()
		}
		return errors.Is(err, storage.ErrUnavailable)
	})
	select {
	case err := <-removed:
		t.Fatalf("b1 was closed under an operation: %v", err)
	default:
	}
	if _, err := lease.Store().Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); err != nil {
		t.Errorf("the operation under way: %v", err)
	}
	lease.Release()
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if _, err := lease.Store().Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a backend that was removed is open: %v", err)
	}
}

func TestWhatIsReferredToIsNotRemoved(t *testing.T) {
	m, _ := withKeepers(t, nestedKeepers+`
backend "b1" { plugin = "gated" }
backend "free" { plugin = "gated" }
backend "off" {
  plugin  = "gated"
  enabled = false
}
route "x/" { to = backend.b1 }`)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b0": "policy.inner, policy.plain refers to it", "b1": `route "x/" refers to it`} {
		if err := m.RemoveBackend(t.Context(), name); !errors.Is(err, storage.ErrFailedPrecondition) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.RemoveBackend(t.Context(), "nowhere"); !errors.Is(err, storage.ErrNotFound) {
		t.Error(err)
	}
	for _, name := range []string{"free", "off"} {
		if err := m.RemoveBackend(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(m.Backends()); got != 2 {
		t.Errorf("%d backends are left: %+v", got, m.Backends())
	}
}

func TestTheOnlyBackendIsNotRemoved(t *testing.T) {
	m := managed(t, 1, gated(always))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.RemoveBackend(t.Context(), "b0"); !errors.Is(err, storage.ErrFailedPrecondition) || !strings.Contains(err.Error(), "the only backend") {
		t.Error(err)
	}
}

func TestABackendThatCannotBeAddedChangesNothing(t *testing.T) {
	m := managed(t, 1, gated(func(_ context.Context, name string) error {
		if name == "broken" {
			return errors.New("no disk in it")
		}
		return nil
	}))
	m.opts.Builtins = append(m.opts.Builtins, local.Plugin())
	if err := m.AddBackend(t.Context(), NewBackend{Name: "early", Plugin: "gated"}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("before the start: %v", err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		backend NewBackend
		code    storage.Code
		text    string
	}{
		"taken":     {NewBackend{Name: "b0", Plugin: "gated"}, storage.CodeFailedPrecondition, `there is already a backend named "b0"`},
		"no name":   {NewBackend{Plugin: "gated"}, storage.CodeInvalidArgument, "Wrong name of a backend"},
		"bad name":  {NewBackend{Name: "a/b", Plugin: "gated"}, storage.CodeInvalidArgument, "Wrong name of a backend"},
		"no plugin": {NewBackend{Name: "x", Plugin: "gatd"}, storage.CodeInvalidArgument, "known plugins: gated, local"},
		"not open":  {NewBackend{Name: "broken", Plugin: "gated"}, storage.CodeUnavailable, "no disk in it"},
		"syntax":    {NewBackend{Name: "x", Plugin: "local", Config: "path = "}, storage.CodeInvalidArgument, `backend "x":1,`},
		"attribute": {NewBackend{Name: "x", Plugin: "local", Config: "\npaht = \"p\""}, storage.CodeInvalidArgument, `backend "x":2,`},
		"out of it": {NewBackend{Name: "x", Plugin: "local", Config: "}\nbackend \"y\" {"}, storage.CodeInvalidArgument, `backend "x":1,`},
	} {
		err := m.AddBackend(t.Context(), c.backend)
		if storage.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := m.Backends(); len(got) != 1 || got[0].State != "serving" {
		t.Errorf("%+v", got)
	}
	if got := m.registry.Status(); len(got) != 1 {
		t.Errorf("the registry knows %+v", got)
	}
	if got := m.running(); len(got) != 1 {
		t.Errorf("%d plugins run", len(got))
	}
	if _, err := m.Store().Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAPluginThatServesNothingAnyMoreIsStopped(t *testing.T) {
	m := managed(t, 1, gated(always))
	m.opts.Builtins = append(m.opts.Builtins, local.Plugin())
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.AddBackend(t.Context(), NewBackend{Name: "disk", Plugin: "local", Config: fmt.Sprintf("path = %q", t.TempDir())}); err != nil {
		t.Fatal(err)
	}
	if got := m.running(); len(got) != 2 {
		t.Errorf("%d plugins run, want 2", len(got))
	}
	if got := state(m, "disk"); got.State != "serving" || got.Plugin != "local" || got.Breaker != "closed" {
		t.Errorf("%+v", got)
	}
	if err := m.RemoveBackend(t.Context(), "disk"); err != nil {
		t.Fatal(err)
	}
	if got := m.running(); len(got) != 1 {
		t.Errorf("%d plugins run, want 1", len(got))
	}
}

func TestStopEndsAnAdditionThatHangs(t *testing.T) {
	opening := make(chan struct{})
	m := managed(t, 1, gated(func(ctx context.Context, name string) error {
		if name == "slow" {
			close(opening)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}))
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	added := make(chan error)
	go func() { added <- m.AddBackend(context.Background(), NewBackend{Name: "slow", Plugin: "gated"}) }()
	<-opening
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-added; !errors.Is(err, storage.ErrUnavailable) {
		t.Error(err)
	}
}
