package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// open opens a backend of the test plugin whose configuration is given.
func open(t *testing.T, client *wire.Client, config map[string]any) storage.Store {
	t.Helper()
	body, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	store, diags, err := client.Open(t.Context(), wire.OpenRequest{ID: "b", Name: "b", Config: body})
	if err != nil || diags.HasErrors() {
		t.Fatalf("Open: %v, %v", diags, err)
	}
	return store
}

func startWithBackend(t *testing.T, h *harness, config map[string]any) (*Process, storage.Store) {
	t.Helper()
	p := h.start()
	client, _, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	return p, open(t, client, config)
}

func TestStopDoesNotWaitForABackendThatNeverCloses(t *testing.T) {
	h := newHarness(t)
	h.opts.ShutdownTimeout, h.opts.ExitTimeout = 300*time.Millisecond, 300*time.Millisecond
	p, _ := startWithBackend(t, h, map[string]any{"close_delay": "1h"})
	begin := time.Now()
	h.stop(p)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("Stop took %v", took)
	}
}

func TestPanicInAMethodKeepsTheProcess(t *testing.T) {
	h := newHarness(t)
	p, store := startWithBackend(t, h, map[string]any{"panic_key": "bad"})
	pid := p.Status().PID
	if _, err := store.Put(t.Context(), "good", strings.NewReader("value"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := store.Get(t.Context(), "bad", storage.GetOptions{}); storage.CodeOf(err) != storage.CodeInternal {
				t.Errorf("Get of the key that panics: %v, want code %v", err, storage.CodeInternal)
			}
		})
	}
	wg.Wait()
	r, err := store.Get(t.Context(), "good", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if value, err := r.Bytes(); err != nil || string(value) != "value" {
		t.Errorf("read %q, %v", value, err)
	}
	if st := p.Status(); st.State != Ready || st.PID != pid || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestOperationsOnAStoppedProcessEndWithTheirDeadline(t *testing.T) {
	h := newHarness(t)
	p, store := startWithBackend(t, h, nil)
	freeze(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := store.Stat(ctx, "k", storage.StatOptions{})
	if storage.CodeOf(err) != storage.CodeDeadlineExceeded || time.Since(begin) > 2*time.Second {
		t.Errorf("Stat: %v after %v", err, time.Since(begin))
	}
}

func TestSickBackendIsNoReasonToKill(t *testing.T) {
	h := newHarness(t)
	h.opts.HealthInterval, h.opts.HealthMisses = 10*time.Millisecond, 1
	p, store := startWithBackend(t, h, map[string]any{"sick_for": "the cloud is away"})
	for range 20 {
		if err := store.CheckHealth(t.Context()); err == nil || !strings.Contains(err.Error(), "the cloud is away") {
			t.Fatalf("CheckHealth: %v", err)
		}
	}
	if st := p.Status(); st.State != Ready || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestManySlowCallsAreNoReasonToKill holds every stream that the plugin allows, for longer than health checks may fail.
func TestManySlowCallsAreNoReasonToKill(t *testing.T) {
	h := newHarness(t)
	h.opts.HealthInterval, h.opts.HealthTimeout, h.opts.HealthMisses = 50*time.Millisecond, 400*time.Millisecond, 3
	p, store := startWithBackend(t, h, map[string]any{"delay": "2s"})
	var wg sync.WaitGroup
	for range wire.MaxConcurrentCalls + 1 {
		wg.Go(func() {
			if _, err := store.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Stat: %v", err)
			}
		})
	}
	wg.Wait()
	if st := p.Status(); st.State != Ready || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
}
