package routing

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// onceFor holds the first operation op at g.
func onceFor(op event.Op, g *gate) func(context.Context, event.Op, string, error) error {
	var first atomic.Bool
	return func(ctx context.Context, o event.Op, _ string, err error) error {
		if o == op && first.CompareAndSwap(false, true) {
			if held := g.pass(ctx); held != nil {
				return held
			}
		}
		return err
	}
}

// background starts f and returns a function that waits for it.
func background(f func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	return wg.Wait
}

func TestAFillThatAWriteOvertookIsNotUsed(t *testing.T) {
	writes := map[string]func(t *testing.T, c cached) (want string){
		"put": func(t *testing.T, c cached) string { put(t, c, "k", "new"); return "new" },
		"delete": func(t *testing.T, c cached) string {
			if _, err := c.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			return ""
		},
		"copy": func(t *testing.T, c cached) string {
			put(t, c.disk.Store, "src", "copied")
			if _, err := c.Copy(t.Context(), "src", "k", storage.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			return "copied"
		},
		"batch": func(t *testing.T, c cached) string {
			if _, err := c.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("new")}}, storage.BatchOptions{}); err != nil {
				t.Fatal(err)
			}
			return "new"
		},
		"transaction": func(t *testing.T, c cached) string {
			if _, err := c.Commit(t.Context(), storage.Transaction{Ops: []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("new")}}}); err != nil {
				t.Fatal(err)
			}
			return "new"
		},
	}
	for name, write := range writes {
		for _, mode := range []string{"invalidate", "through"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := hot(t, PreferCache{Write: mode})
					put(t, c.disk.Store, "k", "old")
					g := newGate()
					c.disk.hookAfter(onceFor(event.OpGet, g)) // what it read is old by the time it has it
					wait := background(func() { c.wantValue(t, "k", storage.GetOptions{}, "old") })
					synctest.Wait()
					want := write(t, c)
					close(g.open)
					wait()
					synctest.Wait()
					for range 2 {
						got, err := read(t, c, "k", storage.GetOptions{})
						if want == "" {
							wantCode(t, err, storage.CodeNotFound)
						} else if err != nil || got != want {
							t.Errorf("after the write: %q, %v", got, err)
						}
						synctest.Wait()
					}
					if n := c.events.count(event.FillDropped); n != 1 {
						t.Errorf("told of %d dropped fills", n)
					}
				})
			})
		}
	}
}

// The entry is put into the cache after the write ended, and after the attempt to
// delete it.
func TestAFillThatArrivesLateIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{CacheTimeout: time.Minute})
		put(t, c.disk.Store, "k", "old")
		g := newGate()
		c.mem.hook(func(ctx context.Context, op event.Op, _ string) error {
			if op == event.OpPut {
				return g.pass(ctx)
			}
			return nil
		})
		c.warm(t, "k", "old")
		put(t, c, "k", "new")
		close(g.open)
		synctest.Wait()
		c.mem.unhook()
		if _, err := c.mem.Store.Stat(t.Context(), "k", storage.StatOptions{}); err != nil {
			t.Fatalf("the old entry did not arrive: %v", err)
		}
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

// While a write is under way a reader may see its value and the next must not see
// the one before, so nothing is cached.
func TestNothingIsCachedWhileItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "old")
		c.warm(t, "k", "old")
		for _, hold := range []string{"before", "after"} { // the source has it
			g := newGate()
			held := onceFor(event.OpPut, g)
			if hold == "before" {
				c.disk.hook(func(ctx context.Context, op event.Op, key string) error { return held(ctx, op, key, nil) })
			} else {
				c.disk.hookAfter(held)
			}
			before := c.disk.gets.Load()
			wait := background(func() { put(t, c, "k", hold) })
			synctest.Wait()
			want := "old"
			if hold == "after" {
				want = "after"
			}
			c.warm(t, "k", want)
			c.warm(t, "k", want)
			if n := c.disk.gets.Load() - before; n != 2 {
				t.Errorf("held %s the commit: of two reads %d reached the source", hold, n)
			}
			close(g.open)
			wait()
			c.warm(t, "k", hold)
			c.wantValue(t, "k", storage.GetOptions{}, hold)
			if n := c.disk.gets.Load() - before; n != 3 {
				t.Errorf("after the write: %d reads", n-2)
			}
			put(t, c, "k", "old")
			c.warm(t, "k", "old")
		}
	})
}

func TestAReaderDoesNotJoinAReadThatAWriteOvertook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "old")
		g := newGate()
		c.disk.hookAfter(onceFor(event.OpGet, g))
		wait := background(func() { c.wantValue(t, "k", storage.GetOptions{}, "old") })
		synctest.Wait()
		put(t, c, "k", "new")
		c.wantValue(t, "k", storage.GetOptions{}, "new")
		close(g.open)
		wait()
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

func TestConcurrentMissesAreOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "0123456789")
		g := newGate()
		c.disk.hookAfter(onceFor(event.OpGet, g))
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				from := int64(i % 10)
				c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeFrom(from)}, "0123456789"[from:])
			})
		}
		synctest.Wait()
		close(g.open)
		all.Wait()
		c.disk.wantReads(t, 1, 0)
	})
}

func TestAMissIsReadToItsEndWithoutTheCallerWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "v")
		g := newGate()
		c.disk.hookAfter(onceFor(event.OpGet, g))
		ctx, cancel := context.WithCancel(t.Context())
		leader := background(func() {
			_, err := c.Get(ctx, "k", storage.GetOptions{})
			wantCode(t, err, storage.CodeCanceled)
		})
		synctest.Wait()
		follower := background(func() { c.wantValue(t, "k", storage.GetOptions{}, "v") })
		synctest.Wait()
		cancel()
		leader()
		close(g.open)
		follower()
		synctest.Wait()
		c.wantValue(t, "k", storage.GetOptions{}, "v")
		c.disk.wantReads(t, 1, 0)
	})
}

func TestAFailedReadIsSharedAndThenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "v")
		g := newGate()
		c.disk.hook(func(ctx context.Context, op event.Op, _ string) error {
			if err := g.pass(ctx); err != nil {
				return err
			}
			return storage.Errorf(storage.CodeUnavailable, "hooked to fail")
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := c.Get(context.Background(), "k", storage.GetOptions{})
				e := wantCode(t, err, storage.CodeUnavailable)
				if e.Op != "get" || e.Key != "k" {
					t.Errorf("the error is %v", err)
				}
			})
		}
		synctest.Wait()
		close(g.open)
		all.Wait()
		c.disk.wantReads(t, 1, 0)
		c.disk.unhook()
		c.wantValue(t, "k", storage.GetOptions{}, "v")
	})
}

func TestReadsOnBehalfOfOthersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		g := newGate()
		c.disk.hook(func(ctx context.Context, op event.Op, key string) error {
			if strings.HasPrefix(key, "held") {
				return g.pass(ctx)
			}
			return nil
		})
		put(t, c.disk.Store, "k", "v")
		var all sync.WaitGroup
		for i := range MaxFlights {
			all.Go(func() { _, _ = c.Get(context.Background(), fmt.Sprint("held", i), storage.GetOptions{}) })
		}
		synctest.Wait()
		c.warm(t, "k", "v") // goes on alone
		c.warm(t, "k", "v")
		if n := c.disk.gets.Load(); n != MaxFlights+2 {
			t.Errorf("%d reads of the source", n)
		}
		close(g.open)
		all.Wait()
		synctest.Wait()
		c.warm(t, "k", "v")
		c.warm(t, "k", "v")
		if n := c.disk.gets.Load(); n != MaxFlights+3 {
			t.Errorf("%d reads of the source: there is room again", n)
		}
	})
}

// A reader waits for longer than a shared read takes at most.
func TestASharedReadThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "v")
		c.disk.hook(func(ctx context.Context, op event.Op, _ string) error {
			if c.disk.gets.Load() == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		began := time.Now()
		c.wantValue(t, "k", storage.GetOptions{}, "v")
		if took := time.Since(began); took != FlightTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

func TestCloseEndsWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "v")
		c.disk.hookAfter(onceFor(event.OpGet, newGate())) // which stays shut
		wait := background(func() { c.wantValue(t, "k", storage.GetOptions{}, "v") })
		synctest.Wait()
		for range 2 {
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wait() // it read for itself
		c.wantValue(t, "k", storage.GetOptions{}, "v")
		c.disk.wantReads(t, 3, 0)
	})
}

func TestWriteThroughCachesWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{Write: "through", MaxEntry: 5})
		res, err := c.Put(t.Context(), "k", strings.NewReader("12345"), storage.PutOptions{
			ContentType: "text/plain", Metadata: map[string]string{"a": "1"}, TTL: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Get(t.Context(), "k", storage.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sameObject(t, r.Object, res.Object)
		if b, err := r.Bytes(); err != nil || string(b) != "12345" {
			t.Errorf("read %q, %v", b, err)
		}
		c.disk.wantReads(t, 0, 0)

		put(t, c, "k", "123456") // too large
		if _, err := c.mem.Store.Stat(t.Context(), "k", storage.StatOptions{}); storage.CodeOf(err) != storage.CodeNotFound {
			t.Errorf("the entry before it is still cached: %v", err)
		}
		c.wantValue(t, "k", storage.GetOptions{}, "123456")

		_, err = c.Put(t.Context(), "k", io.MultiReader(strings.NewReader("12"), broken{}), storage.PutOptions{})
		if err == nil {
			t.Fatal("a body that broke off was stored")
		}
		c.wantValue(t, "k", storage.GetOptions{}, "123456")

		c.mem.hook(failing(storage.CodeInternal))
		put(t, c, "k", "new")
		c.mem.unhook()
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Which of two writes that overlap the source has, only the source knows.
func TestWritesThatOverlapAreNotWrittenThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{Write: "through"})
		g := newGate()
		c.disk.hookAfter(onceFor(event.OpPut, g)) // the first is committed first and acknowledged last
		wait := background(func() { put(t, c, "k", "first") })
		synctest.Wait()
		put(t, c, "k", "second")
		c.wantValue(t, "k", storage.GetOptions{}, "second")
		close(g.open)
		wait()
		c.wantValue(t, "k", storage.GetOptions{}, "second")
	})
}

// One writer for each key writes ascending numbers; the cache fails and is slow at
// random. No reader sees less than what was acknowledged when it began, or than
// what another reader had seen by then.
func TestReadsNeverGoBack(t *testing.T) {
	for _, mode := range []string{"invalidate", "through"} {
		t.Run(mode, func(t *testing.T) {
			c := hotOver(t, PreferCache{Write: mode, NegativeTTL: time.Hour}, otterCache(t), memory(t))
			c.mem.hook(func(context.Context, event.Op, string) error {
				switch rand.IntN(10) {
				case 0:
					return storage.Errorf(storage.CodeUnavailable, "at random")
				case 1:
					for range rand.IntN(100) {
						runtime.Gosched()
					}
				}
				return nil
			})
			c.mem.hooks.Load().after = func(_ context.Context, _ event.Op, _ string, err error) error {
				if rand.IntN(20) == 0 {
					return storage.Errorf(storage.CodeUnavailable, "it happened, but nobody was told")
				}
				return err
			}
			const keys, readers, writes = 3, 6, 300
			var seen [keys]atomic.Int64 // acknowledged, or seen by a reader
			note := func(k int, n int64) {
				for old := seen[k].Load(); n > old && !seen[k].CompareAndSwap(old, n); old = seen[k].Load() {
				}
			}
			var writers, all sync.WaitGroup
			var done atomic.Bool
			for k := range keys {
				writers.Go(func() {
					for n := int64(1); n <= writes; n++ {
						if _, err := c.Put(context.Background(), fmt.Sprint(k), strings.NewReader(fmt.Sprint(n)), storage.PutOptions{}); err != nil {
							t.Errorf("put: %v", err)
							return
						}
						note(k, n)
					}
				})
			}
			for range readers {
				all.Go(func() {
					for i := 0; !done.Load(); i++ {
						k := i % keys
						least := seen[k].Load()
						r, err := c.Get(context.Background(), fmt.Sprint(k), storage.GetOptions{})
						if err != nil {
							if storage.CodeOf(err) != storage.CodeNotFound || least > 0 {
								t.Errorf("get: %v after %d", err, least)
								return
							}
							continue
						}
						b, err := r.Bytes()
						n, _ := strconv.ParseInt(string(b), 10, 64)
						if err != nil || n < least {
							t.Errorf("read %q, %v after %d", b, err, least)
							return
						}
						note(k, n)
					}
				})
			}
			writers.Wait()
			done.Store(true)
			all.Wait()
			if hits, _ := c.events.lookups(); hits == 0 {
				t.Error("nothing came from the cache")
			}
		})
	}
}
