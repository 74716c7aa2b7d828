package registry

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestWithoutAGenerationOperationsSayWhy(t *testing.T) {
	cases := []struct {
		name string
		set  func(r *Registry)
		want string
	}{
		{"never there", func(*Registry) {}, "no backend has this name"},
		{"failed", func(r *Registry) { r.Fail("disk", "the directory is locked", time.Minute) }, "the directory is locked"},
		{"failed after serving", func(r *Registry) {
			r.Swap("disk", storage.Complete(newFake(1)), Meta{Plugin: "local"})
			r.Fail("disk", "the process crashed", time.Minute)
		}, `stat "k" on backend "disk" (plugin local): unavailable: the process crashed`},
		{"removed", func(r *Registry) {
			r.Swap("disk", storage.Complete(newFake(1)), Meta{})
			r.Remove("disk")
		}, "no backend has this name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{})
			c.set(r)
			_, err := r.Handle("disk").Stat(t.Context(), "k", storage.StatOptions{})
			if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want Unavailable with %q", err, c.want)
			}
			e := storage.AsError(err)
			if e.Backend != "disk" || e.Op != "stat" || e.Key != "k" {
				t.Errorf("the error names %q, %q, %q", e.Op, e.Key, e.Backend)
			}
			if strings.HasPrefix(c.name, "failed") && e.RetryAfter != time.Minute {
				t.Errorf("retry after %v, want 1m", e.RetryAfter)
			}
		})
	}
}

// A host that has just started, and whose plugin is slow, refused conditional
// writes as Unimplemented.
func TestABackendThatHasNotServedYetIsUnavailableAndNotUnable(t *testing.T) {
	r := New(Options{})
	r.Fail("disk", "it is being opened", time.Second)
	store := storage.Complete(r.Handle("disk"))
	_, err := store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{If: storage.IfAbsent(), TTL: time.Hour, Consistency: storage.ConsistencyStrong})
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "it is being opened") {
		t.Error(err)
	}
	for _, served := range []func(){
		func() { r.Swap("disk", storage.Complete(newFake(1)), Meta{}) },
		func() { r.Fail("disk", "the process crashed", time.Second) },
		func() { r.Pause("disk") },
	} {
		if served(); store.Capabilities().ConditionalPut {
			t.Error("a backend that has served is said to do what it cannot")
		}
	}
}

func TestSwapDrainsTheOldGeneration(t *testing.T) {
	r := New(Options{})
	first, second := newFake(1), newFake(2)
	if old := r.Swap("disk", storage.Complete(first), Meta{}); old != nil {
		t.Fatalf("the first swap gave an old generation %d", old.Number())
	}
	h := r.Handle("disk")
	reader, err := h.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	old := r.Swap("disk", storage.Complete(second), Meta{})
	if old.Number() != 1 || old.Leases() != 1 {
		t.Fatalf("old generation %d with %d leases, want 1 with 1", old.Number(), old.Leases())
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := old.Drain(over); !errors.Is(err, storage.ErrCanceled) || !strings.Contains(err.Error(), "1 operations in flight") {
		t.Fatalf("drained while a stream was open: %v", err)
	}
	if o, err := h.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || o.Size != 2 {
		t.Errorf("a request during the drain reached generation %d: %v", o.Size, err)
	}
	if b, err := reader.Bytes(); err != nil || string(b) != "1" {
		t.Errorf("the stream of the old generation gave %q, %v", b, err)
	}
	if err := old.Drain(over); err != nil {
		t.Errorf("not drained after the stream was closed: %v", err)
	}
	if got := h.Capabilities().MaxValueSize; got != 2 {
		t.Errorf("the capabilities are those of generation %d", got)
	}
}

func TestFailedGetReturnsItsLease(t *testing.T) {
	r := New(Options{})
	r.Swap("disk", storage.Complete(newFake(1)), Meta{})
	if _, err := r.Handle("disk").Get(t.Context(), "missing", storage.GetOptions{}); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	if err := r.Remove("disk").Drain(within(t)); err != nil {
		t.Error(err)
	}
}

// A request may find a generation in a snapshot and come to take its lease
// only after it was retired.
func TestRetiredGenerationGivesNoLease(t *testing.T) {
	r := New(Options{})
	r.Swap("disk", storage.Complete(newFake(1)), Meta{})
	lease, err := r.Acquire(t.Context(), "disk")
	if err != nil {
		t.Fatal(err)
	}
	old := r.Remove("disk")
	if old.acquire() {
		t.Error("a retired generation gave a lease")
	}
	lease.Release()
	if old.acquire() {
		t.Error("a drained generation gave a lease")
	}
}

func TestGenerationNumbersAreNeverReused(t *testing.T) {
	r := New(Options{})
	swap := func() uint64 {
		r.Swap("disk", storage.Complete(newFake(1)), Meta{})
		return r.Status()[0].Generation
	}
	got := []uint64{swap(), swap()}
	r.Remove("disk")
	got = append(got, swap())
	for i, want := range []uint64{1, 2, 3} {
		if got[i] != want {
			t.Errorf("generation %d has the number %d", want, got[i])
		}
	}
}

func TestPausedBackendHoldsRequestsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{MaxWaiting: 2, MaxWait: time.Minute})
		h := r.Handle("disk")
		r.Swap("disk", storage.Complete(newFake(1)), Meta{Plugin: "local"})
		old := r.Pause("disk")
		if err := old.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := r.Pause("disk"); again != nil {
			t.Error("a second Pause gave a generation")
		}
		sizes, errs := make([]int64, 3), make([]error, 3)
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				var o storage.Object
				o, errs[i] = h.Stat(t.Context(), "k", storage.StatOptions{})
				sizes[i] = o.Size
			})
		}
		synctest.Wait()
		if s := r.Status()[0]; !s.Paused || s.Waiting != 2 {
			t.Errorf("status while paused: %+v", s)
		}
		if _, err := h.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) || storage.AsError(err).RetryAfter <= 0 {
			t.Errorf("a third request: %v, want Unavailable with a time to come back", err)
		}
		r.Swap("disk", storage.Complete(newFake(2)), Meta{})
		wg.Wait()
		for i := range 2 {
			if errs[i] != nil || sizes[i] != 2 {
				t.Errorf("a request that waited reached generation %d: %v", sizes[i], errs[i])
			}
		}
	})
}

func TestWaitingForAPausedBackendEnds(t *testing.T) {
	cases := []struct {
		name string
		end  func(r *Registry, cancel context.CancelFunc)
		code storage.Code
	}{
		{"when the time is over", func(*Registry, context.CancelFunc) { time.Sleep(time.Minute) }, storage.CodeUnavailable},
		{"when the caller gives up", func(_ *Registry, cancel context.CancelFunc) { cancel() }, storage.CodeCanceled},
		{"when the successor fails", func(r *Registry, _ context.CancelFunc) { r.Fail("disk", "no", 0) }, storage.CodeUnavailable},
		{"when the backend is removed", func(r *Registry, _ context.CancelFunc) { r.Remove("disk") }, storage.CodeUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{MaxWait: time.Minute})
				r.Swap("disk", storage.Complete(newFake(1)), Meta{})
				r.Pause("disk")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				failed := make(chan error, 1)
				go func() {
					_, err := r.Acquire(ctx, "disk")
					failed <- err
				}()
				synctest.Wait()
				c.end(r, cancel)
				if err := <-failed; storage.CodeOf(err) != c.code {
					t.Errorf("got %v, want %v", err, c.code)
				}
			})
		})
	}
}

// The promise of a hot swap: while backends come and go, no operation fails,
// and none runs on a backend that was closed.
func TestSwapsDisturbNobody(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		name := "side by side"
		if exclusive {
			name = "exclusive"
		}
		t.Run(name, func(t *testing.T) {
			r := New(Options{})
			h := r.Handle("disk")
			generation := newFake(1)
			all := []*fake{generation}
			r.Swap("disk", storage.Complete(generation), Meta{})
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for ctx.Err() == nil {
						reader, err := h.Get(t.Context(), "k", storage.GetOptions{})
						if err == nil {
							_, err = reader.Bytes()
						}
						if err == nil {
							_, err = h.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
						}
						if err != nil {
							t.Errorf("an operation failed during the swaps: %v", err)
							return
						}
					}
				})
			}
			for i := range 200 {
				next := newFake(i + 2)
				all = append(all, next)
				var old *Generation
				if exclusive {
					old = r.Pause("disk")
				} else {
					old = r.Swap("disk", storage.Complete(next), Meta{})
				}
				if err := old.Drain(within(t)); err != nil {
					t.Fatal(err)
				}
				if err := old.Store().Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if exclusive {
					r.Swap("disk", storage.Complete(next), Meta{})
				}
			}
			stop()
			wg.Wait()
			for _, f := range all {
				if f.usedAfter.Load() {
					t.Errorf("an operation ran on generation %d after it was closed", f.number)
				}
			}
		})
	}
}

// Against a model: whatever the order of the calls, a lease is on the newest
// generation, and a generation drains exactly when its leases are returned.
func TestLeasesFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(Options{})
		over, cancel := context.WithCancel(context.Background())
		cancel()
		var held []Lease
		var gone []*Generation
		serving, number := false, uint64(0)
		note := func(old *Generation) {
			if (old != nil) != serving {
				t.Fatalf("an old generation: %v, though one served: %v", old, serving)
			}
			if old != nil {
				gone = append(gone, old)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"swap": func(*rapid.T) {
				note(r.Swap("b", storage.Complete(newFake(1)), Meta{}))
				serving, number = true, number+1
			},
			"fail":   func(*rapid.T) { note(r.Fail("b", "x", 0)); serving = false },
			"remove": func(*rapid.T) { note(r.Remove("b")); serving = false },
			"acquire": func(t *rapid.T) {
				l, err := r.Acquire(context.Background(), "b")
				if (err == nil) != serving {
					t.Fatalf("acquire: %v, though one serves: %v", err, serving)
				}
				if err == nil {
					if l.Generation().Number() != number {
						t.Fatalf("a lease on generation %d, want %d", l.Generation().Number(), number)
					}
					held = append(held, l)
				}
			},
			"release": func(t *rapid.T) {
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(t, "lease")
					held[i].Release()
					held = append(held[:i], held[i+1:]...)
				}
			},
			"": func(t *rapid.T) {
				for _, g := range gone {
					leases := 0
					for _, l := range held {
						if l.Generation() == g {
							leases++
						}
					}
					if drained := g.Drain(over) == nil; drained != (leases == 0) || g.Leases() != leases {
						t.Fatalf("generation %d: drained %v with %d leases counted and %d held", g.Number(), drained, g.Leases(), leases)
					}
				}
			},
		})
	})
}

func BenchmarkAcquire(b *testing.B) {
	r := New(Options{})
	r.Swap("disk", storage.Complete(newFake(1)), Meta{})
	b.ReportAllocs()
	for b.Loop() {
		l, err := r.Acquire(b.Context(), "disk")
		if err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}
