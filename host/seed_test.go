package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// switchboard is a plugin "switched" whose backends, in memory, can be switched
// off: then each operation on them is Unavailable.
type switchboard struct {
	mu  sync.Mutex
	off map[string]bool
}

func (s *switchboard) set(backend string, off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off[backend] = off
}

func (s *switchboard) check(backend string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off[backend] {
		return storage.Errorf(storage.CodeUnavailable, "it was switched off")
	}
	return nil
}

func (s *switchboard) plugin() sdk.Plugin {
	return sdk.Plugin{
		Name: "switched", Version: "1.0.0",
		Open: func(_ context.Context, in sdk.Instance) (storage.Backend, error) {
			return &switched{local.OpenMemory(local.MemoryOptions{}), s, in.Name}, nil
		},
	}
}

type switched struct {
	storage.Backend
	board *switchboard
	name  string
}

func (s *switched) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := s.board.check(s.name); err != nil {
		return nil, err
	}
	return s.Backend.Get(ctx, key, opts)
}

func (s *switched) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.board.check(s.name); err != nil {
		return storage.PutResult{}, err
	}
	return s.Backend.Put(ctx, key, body, opts)
}

func (s *switched) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := s.board.check(s.name); err != nil {
		return storage.Object{}, err
	}
	return s.Backend.Stat(ctx, key, opts)
}

func (s *switched) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := s.board.check(s.name); err != nil {
		return storage.Deleted{}, err
	}
	return s.Backend.Delete(ctx, key, opts)
}

func (s *switched) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := s.board.check(s.name); err != nil {
		return storage.Page{}, err
	}
	return s.Backend.List(ctx, opts)
}

// switchedHost is a host of backends a, b and c that can be switched off.
func switchedHost(t *testing.T, policies string) (*host.Host, *switchboard) {
	t.Helper()
	board := &switchboard{off: make(map[string]bool)}
	text := "host { plugin_dirs = [] }\n"
	for _, name := range []string{"a", "b", "c"} {
		text += fmt.Sprintf("backend %q {\n  plugin = \"switched\"\n  retry { max_attempts = 1 }\n}\n", name)
	}
	return startWith(t, host.Options{ConfigPath: write(t, "%s", text+policies), Builtins: []sdk.Plugin{board.plugin(), local.Plugin()}}), board
}

func startWith(t testing.TB, opts host.Options) *host.Host {
	t.Helper()
	h, err := host.New(opts)
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

// operations counts those of a kind that a backend had.
func operations(h *host.Host, backend, op string) uint64 {
	return h.Stats().Backends[backend].Operations[op].Count
}

func TestSeedCases(t *testing.T) {
	t.Run("always use", func(t *testing.T) {
		h, board := switchedHost(t, `
policy "always_use" "p" { backend = backend.b }
route "" { to = policy.p }`)
		put(t, h.Store(), "k", "v")
		if got := get(t, h.Store(), "k"); got != "v" {
			t.Errorf("read %q", got)
		}
		if operations(h, "b", "put") != 1 || operations(h, "a", "put")+operations(h, "c", "put") != 0 {
			t.Errorf("another backend than b was written to: %+v", h.Stats().Backends)
		}
		board.set("b", true)
		_, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{})
		if !errors.Is(err, storage.ErrUnavailable) || storage.AsError(err).Backend != "b" {
			t.Errorf("while b is down: %v", err)
		}
	})

	t.Run("first available", func(t *testing.T) {
		h, board := switchedHost(t, `
policy "first_available" "p" { order = [backend.b, backend.a] }
policy "always_use" "spare" { backend = backend.a }
route "" { to = policy.p }
route "spare/" { to = policy.spare }`)
		put(t, h.Store(), "k", "v")
		if operations(h, "b", "put") != 1 || operations(h, "a", "put") != 0 {
			t.Errorf("a write does not go to the first: %+v", h.Stats().Backends)
		}
		put(t, h.Store(), "spare/k", "only a has it")
		board.set("b", true)
		if _, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a key that only b has, while b is down: %v", err)
		}
		if _, err := h.Store().Put(t.Context(), "k", strings.NewReader("w"), storage.PutOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a write while the first is down: %v", err)
		}
		if got := h.Stats().Policies["p"].Failovers; got == 0 {
			t.Error("no failover was counted")
		}
		board.set("b", false)
		eventually(t, "b serves again", func() bool {
			_, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{})
			return err == nil
		})
	})

	t.Run("prefer cache with fallback", func(t *testing.T) {
		h, board := switchedHost(t, `
policy "prefer_cache" "hot" {
  cache  = backend.a
  source = backend.b
}
route "" { to = policy.hot }`)
		put(t, h.Store(), "k", "v")
		if got := get(t, h.Store(), "k"); got != "v" {
			t.Errorf("read %q", got)
		}
		eventually(t, "it is read from the cache", func() bool {
			before := operations(h, "b", "get")
			return get(t, h.Store(), "k") == "v" && operations(h, "b", "get") == before
		})
		board.set("b", true)
		if got := get(t, h.Store(), "k"); got != "v" {
			t.Errorf("from the cache, while the source is down: %q", got)
		}
		board.set("b", false)
		board.set("a", true)
		if got := get(t, h.Store(), "k"); got != "v" {
			t.Errorf("from the source, while the cache is down: %q", got)
		}
		put(t, h.Store(), "k", "w") // the cache cannot be told
		board.set("a", false)
		if got := get(t, h.Store(), "k"); got != "w" {
			t.Errorf("after a write that the cache missed: %q", got)
		}
	})

	t.Run("redundant", func(t *testing.T) {
		h, board := switchedHost(t, `
policy "redundant" "safe" { replicas = [backend.a, backend.b, backend.c] }
route "" { to = policy.safe }`)
		board.set("c", true)
		put(t, h.Store(), "k", "v") // two of three acknowledge
		backlogs := h.Stats().Policies["safe"].Backlogs
		if len(backlogs) != 3 || backlogs[2].Target != "backend.c" || backlogs[2].Entries != 1 {
			t.Errorf("what c missed: %+v", backlogs)
		}
		board.set("a", true)
		if _, err := h.Store().Put(t.Context(), "k", strings.NewReader("w"), storage.PutOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a write that one of three acknowledges: %v", err)
		}
		board.set("a", false)
		board.set("c", false)
		eventually(t, "c has what it missed", func() bool {
			backlogs := h.Stats().Policies["safe"].Backlogs
			return backlogs[0].Entries+backlogs[1].Entries+backlogs[2].Entries == 0
		})
		board.set("a", true)
		board.set("b", true)
		if got := get(t, h.Store(), "k"); got != "v" {
			t.Errorf("c alone has %q", got)
		}
		board.set("a", false)
		board.set("b", false)
		report, err := h.Repair(t.Context(), "safe", host.RepairOptions{Rate: -1})
		if err != nil || !report.Complete || report.Scanned != 1 || report.Failed != 0 {
			t.Errorf("repair: %+v, %v", report, err)
		}
	})

	t.Run("round robin", func(t *testing.T) {
		h, _ := switchedHost(t, `
policy "round_robin" "turns" { backends = [backend.a, backend.b, backend.c] }
route "" { to = policy.turns }`)
		put(t, h.Store(), "k", "v")
		for range 30 {
			if got := get(t, h.Store(), "k"); got != "v" {
				t.Fatalf("read %q", got)
			}
		}
		for _, backend := range []string{"a", "b", "c"} {
			if n := operations(h, backend, "get"); n != 10 {
				t.Errorf("%s had %d of 30 reads", backend, n)
			}
		}
	})

	t.Run("custom", func(t *testing.T) {
		h, _ := switchedHost(t, `
policy "custom" "by_size" { place = size > 10 ? backend.b : backend.a }
route "" { to = policy.by_size }`)
		put(t, h.Store(), "small", "v")
		put(t, h.Store(), "large", "more than ten bytes")
		if operations(h, "a", "put") != 1 || operations(h, "b", "put") != 1 || operations(h, "c", "put") != 0 {
			t.Errorf("%+v", h.Stats().Backends)
		}
		put(t, h.Store(), "small", "it has grown a lot")
		for key, want := range map[string]string{"small": "it has grown a lot", "large": "more than ten bytes"} {
			if got := get(t, h.Store(), key); got != want {
				t.Errorf("%s: %q", key, got)
			}
		}
		page, err := h.Store().List(t.Context(), storage.ListOptions{})
		if err != nil || len(page.Objects) != 2 {
			t.Errorf("%+v, %v", page, err)
		}
	})

	t.Run("add, remove and list backends at run time", func(t *testing.T) {
		h, _ := switchedHost(t, "")
		if err := h.AddBackend(t.Context(), host.Backend{Name: "late", Plugin: "local", Priority: 10}); err != nil {
			t.Fatal(err)
		}
		put(t, h.Store(), "k", "v")
		if got := operations(h, "late", "put"); got != 1 {
			t.Errorf("the backend of the highest priority had %d writes", got)
		}
		var names []string
		for _, b := range h.Backends() {
			names = append(names, b.Name+" "+b.State)
		}
		if got := strings.Join(names, ", "); got != "a serving, b serving, c serving, late serving" {
			t.Error(got)
		}
		if err := h.RemoveBackend(t.Context(), "late"); err != nil {
			t.Fatal(err)
		}
		if _, counted := h.Stats().Backends["late"]; counted || len(h.Backends()) != 3 {
			t.Errorf("after its removal: %+v", h.Backends())
		}
		if _, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("what only the removed backend had: %v", err)
		}
	})

	t.Run("duplicate names refused", func(t *testing.T) {
		text := "host { plugin_dirs = [] }\nbackend \"a\" { plugin = \"local\" }\nbackend \"a\" { plugin = \"local\" }\n"
		_, err := host.New(host.Options{ConfigPath: write(t, "%s", text), Builtins: []sdk.Plugin{local.Plugin()}})
		var wrong host.Diagnostics
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "Duplicate name") {
			t.Errorf("in a configuration: %v", err)
		}
		h, _ := switchedHost(t, "")
		err = h.AddBackend(t.Context(), host.Backend{Name: "a", Plugin: "local"})
		if !errors.Is(err, storage.ErrFailedPrecondition) || !strings.Contains(err.Error(), `already a backend named "a"`) {
			t.Errorf("at run time: %v", err)
		}
	})

	t.Run("success rate and cache hit rate", func(t *testing.T) {
		h, board := switchedHost(t, `
policy "prefer_cache" "hot" {
  cache  = backend.a
  source = backend.b
}
route "hot/" { to = policy.hot }
route ""     { to = backend.c }`)
		put(t, h.Store(), "k", "v")
		get(t, h.Store(), "k")
		if _, err := h.Store().Stat(t.Context(), "missing", storage.StatOptions{}); !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
		if c := h.Stats().Backends["c"].Total; c.SuccessRate != 1 {
			t.Errorf("NotFound is an answer, but %+v", c)
		}
		board.set("c", true)
		if _, err := h.Store().Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Error(err)
		}
		if c := h.Stats().Backends["c"].Total; c.Count != 4 || c.Failed != 1 || c.SuccessRate != 0.75 {
			t.Errorf("one of four failed, but %+v", c)
		}
		put(t, h.Store(), "hot/k", "v")
		eventually(t, "it is read from the cache", func() bool {
			get(t, h.Store(), "hot/k")
			return h.Stats().Cache.Hits > 0
		})
		stats := h.Stats()
		cache := stats.Caches["hot"]
		if cache.Misses == 0 || cache.HitRate != float64(cache.Hits)/float64(cache.Hits+cache.Misses) || stats.Cache != cache || stats.Policies["hot"].CacheStats != cache {
			t.Errorf("%+v", stats.Caches)
		}
	})
}
