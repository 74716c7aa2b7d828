package routing

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// exercise uses a store as a caller would and fails the test if anything is not
// as it would be without a cache. It returns how long each operation took.
func exercise(t *testing.T, s storage.Store) map[string]time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	step := func(name string, run func() error) {
		began := time.Now()
		if err := run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		took[name] = time.Since(began)
	}
	get := func(want string) func() error {
		return func() error {
			r, err := s.Get(t.Context(), "k", storage.GetOptions{})
			if err != nil {
				return err
			}
			if b, err := r.Bytes(); err != nil || string(b) != want {
				return fmt.Errorf("read %q, %w; want %q", b, err, want)
			}
			return nil
		}
	}
	write := func(value string) func() error {
		return func() error {
			_, err := s.Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{})
			return err
		}
	}
	step("put", write("first"))
	step("get", get("first"))
	step("overwrite", write("second"))
	step("get after the overwrite", get("second"))
	step("stat", func() error {
		o, err := s.Stat(t.Context(), "k", storage.StatOptions{})
		if err == nil && o.Size != 6 {
			err = fmt.Errorf("size %d", o.Size)
		}
		return err
	})
	step("copy", func() error {
		_, err := s.Copy(t.Context(), "k", "copy", storage.CopyOptions{})
		return err
	})
	step("list", func() error {
		page, err := s.List(t.Context(), storage.ListOptions{})
		if err == nil && len(page.Objects) != 2 {
			err = fmt.Errorf("%d objects", len(page.Objects))
		}
		return err
	})
	step("batch", func() error {
		results, err := s.Batch(t.Context(), []storage.BatchOp{
			{Kind: storage.BatchDelete, Key: "copy"}, {Kind: storage.BatchPut, Key: "k", Value: []byte("third")},
		}, storage.BatchOptions{})
		for _, r := range results {
			if r.Err != nil {
				err = r.Err
			}
		}
		return err
	})
	step("get after the batch", get("third"))
	step("delete", func() error {
		_, err := s.Delete(t.Context(), "k", storage.DeleteOptions{})
		return err
	})
	step("get after the delete", func() error {
		if _, err := s.Get(t.Context(), "k", storage.GetOptions{}); storage.CodeOf(err) != storage.CodeNotFound {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	return took
}

func TestACacheThatFailsFailsNothing(t *testing.T) {
	for _, code := range []storage.Code{
		storage.CodeUnavailable, storage.CodeInternal, storage.CodeDataLoss, storage.CodeQuotaExceeded, storage.CodeTooLarge,
		storage.CodeInvalidArgument, storage.CodePermissionDenied, storage.CodeCanceled, storage.CodeDeadlineExceeded, storage.CodeUnimplemented,
	} {
		for _, write := range []string{"invalidate", "through"} {
			t.Run(code.String()+"/"+write, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := hot(t, PreferCache{Write: write})
					c.mem.hook(failing(code))
					exercise(t, c)
				})
			})
		}
	}
}

func TestACacheThatHangsDelaysForNoMoreThanItsTimeout(t *testing.T) {
	for _, write := range []string{"invalidate", "through"} {
		t.Run(write, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hot(t, PreferCache{Write: write, CacheTimeout: 3 * time.Second})
				c.mem.hook(func(ctx context.Context, _ event.Op, _ string) error {
					<-ctx.Done()
					return ctx.Err()
				})
				for op, took := range exercise(t, c) {
					want := 3 * time.Second
					if op == "list" {
						want = 0
					}
					if took > want {
						t.Errorf("%s took %v", op, took)
					}
				}
			})
		})
	}
}

func TestACacheThatHangsInMidStreamIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowReads{Store: memory(t)}
		c := hotOver(t, PreferCache{}, slow, unwatched{memory(t)})
		put(t, c, "k", "value")
		c.warm(t, "k", "value")
		c.wantValue(t, "k", storage.GetOptions{}, "value")
		c.disk.wantReads(t, 1, 0)
		slow.hang = true
		began := time.Now()
		c.wantValue(t, "k", storage.GetOptions{}, "value")
		if took := time.Since(began); took != DefaultCacheTimeout {
			t.Errorf("it took %v", took)
		}
		c.disk.wantReads(t, 2, 0)
	})
}

// slowReads is a store whose values come slowly, when asked to never.
type slowReads struct {
	storage.Store
	hang bool
}

func (s *slowReads) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	r, err := s.Store.Get(ctx, key, opts)
	if err == nil && s.hang {
		r.Wrap(func(source io.ReadCloser) io.ReadCloser { return &hangingBody{source, ctx.Done()} })
	}
	return r, err
}

type hangingBody struct {
	io.ReadCloser
	done <-chan struct{}
}

func (b *hangingBody) Read([]byte) (int, error) {
	<-b.done
	return 0, context.DeadlineExceeded
}

func TestWhatTheCacheLostOrDamagedComesFromTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memory(t)
		broken := &switched{Store: mem}
		c := hotOver(t, PreferCache{}, broken, unwatched{memory(t)})
		put(t, c, "k", "value")
		c.warm(t, "k", "value")
		broken.cutAfter.Store(2)
		c.wantValue(t, "k", storage.GetOptions{}, "value")
		c.disk.wantReads(t, 2, 0)
		synctest.Wait()

		if _, err := mem.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		c.warm(t, "k", "value")
		c.disk.wantReads(t, 3, 0)

		put(t, mem, "k", "of somebody else, without a stamp")
		c.warm(t, "k", "value")
		if _, err := mem.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{Metadata: map[string]string{metaCached: "not.a.stamp"}}); err != nil {
			t.Fatal(err)
		}
		c.warm(t, "k", "value")
		c.disk.wantReads(t, 5, 0)
	})
}

func TestACacheWhoseBreakerIsOpenIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{Write: "through"})
		c.mem.breaker.Store(&event.BreakerInfo{State: event.BreakerOpen})
		exercise(t, c)
		synctest.Wait()
		if n := c.mem.gets.Load() + c.mem.stats.Load() + c.mem.puts.Load() + c.mem.deletes.Load(); n != 0 {
			t.Errorf("it was asked %d times", n)
		}
		if c.events.count(event.Quarantined) == 0 || c.events.count(event.FillDropped) == 0 {
			t.Error("nobody was told")
		}
		c.mem.breaker.Store(&event.BreakerInfo{State: event.BreakerHalfOpen})
		exercise(t, c)
		if c.mem.gets.Load() == 0 {
			t.Error("a half-open breaker is not tried")
		}
	})
}

func TestAnEntryThatCannotBeDeletedIsOutOfUse(t *testing.T) {
	writes := map[string]func(t *testing.T, c cached){
		"put": func(t *testing.T, c cached) { put(t, c, "k", "new") },
		"batch": func(t *testing.T, c cached) {
			ops := []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("new")}, {Kind: storage.BatchPut, Key: "other"}}
			if _, err := c.Batch(t.Context(), ops, storage.BatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hotOver(t, PreferCache{}, unbatched{otterCache(t)}, unwatched{memory(t)})
				put(t, c, "k", "old")
				c.warm(t, "k", "old")
				c.mem.hook(func(_ context.Context, op event.Op, _ string) error {
					if op == event.OpDelete || op == event.OpPut {
						return storage.Errorf(storage.CodeUnavailable, "read-only")
					}
					return nil
				})
				write(t, c)
				if c.events.count(event.Quarantined) == 0 {
					t.Error("nobody was told")
				}
				for range 3 {
					c.wantValue(t, "k", storage.GetOptions{}, "new")
					if o, err := c.Stat(t.Context(), "k", storage.StatOptions{}); err != nil || o.Size != 3 {
						t.Errorf("stat: %+v, %v", o, err)
					}
					synctest.Wait()
				}
				if b, err := read(t, c.mem.Store, "k", storage.GetOptions{}); err != nil || b != "old" {
					t.Fatalf("the cache has %q, %v; it should still have the old entry", b, err)
				}
				c.mem.unhook()
				c.warm(t, "k", "new")
				before := c.disk.gets.Load()
				c.wantValue(t, "k", storage.GetOptions{}, "new")
				if c.disk.gets.Load() != before {
					t.Error("the entry was not replaced")
				}
			})
		})
	}
}

// unbatched has its batches go through the single operations of what is around it.
type unbatched struct{ storage.Store }

func (s unbatched) Batch(context.Context, []storage.BatchOp, storage.BatchOptions) ([]storage.BatchResult, error) {
	return nil, storage.Errorf(storage.CodeUnavailable, "no batches")
}

// A durable cache outlives the process that knew what had been written.
func TestAfterARestartEntriesAreGivenIfTheSourceConfirmsThem(t *testing.T) {
	dir := t.TempDir()
	source := unwatched{memory(t)}
	open := func() storage.Store {
		b, err := local.OpenDisk(t.Context(), local.DiskOptions{Path: dir})
		if err != nil {
			t.Fatal(err)
		}
		return storage.Complete(b)
	}
	settled := func(c cached, key string) { // until the cache has the entry of this policy
		t.Helper()
		for {
			if o, err := c.mem.Store.Stat(t.Context(), key, storage.StatOptions{}); err == nil && strings.HasPrefix(o.Metadata[metaCached], c.epoch) {
				return
			}
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	disk := open()
	first := hotOver(t, PreferCache{}, disk, source)
	for _, key := range []string{"same", "changed", "deleted", "offline"} {
		put(t, first, key, "old "+key)
		first.wantValue(t, key, storage.GetOptions{}, "old "+key)
		settled(first, key)
	}
	if err := disk.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, source, "changed", "new")
	if _, err := source.Delete(t.Context(), "deleted", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	disk = open()
	defer func() {
		if err := disk.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	second := hotOver(t, PreferCache{StaleIfError: time.Hour}, disk, source)
	second.wantValue(t, "same", storage.GetOptions{}, "old same")
	second.disk.wantReads(t, 0, 1)
	settled(second, "same")
	second.wantValue(t, "same", storage.GetOptions{Range: storage.RangeLast(4)}, "same")
	second.disk.wantReads(t, 0, 1)
	second.wantValue(t, "changed", storage.GetOptions{}, "new")
	second.disk.wantReads(t, 1, 2)
	_, err := read(t, second, "deleted", storage.GetOptions{})
	wantCode(t, err, storage.CodeNotFound)

	second.disk.hook(failing(storage.CodeUnavailable))
	_, err = read(t, second, "offline", storage.GetOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	second.wantValue(t, "offline", storage.GetOptions{Consistency: storage.ConsistencyEventual}, "old offline")
	if err := second.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAWriteOfUnknownOutcomeMayHappenLater(t *testing.T) {
	unknown := func() error {
		e := storage.Errorf(storage.CodeDeadlineExceeded, "no answer")
		e.OutcomeUnknown = true
		return e
	}
	lost := func(_ context.Context, op event.Op, _ string, err error) error {
		if op == event.OpPut {
			return unknown()
		}
		return err
	}
	never := func(_ context.Context, op event.Op, _ string) error {
		if op == event.OpPut {
			return unknown()
		}
		return nil
	}
	write := func(t *testing.T, c cached) {
		t.Helper()
		_, err := c.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
		if e := wantCode(t, err, storage.CodeDeadlineExceeded); !e.OutcomeUnknown {
			t.Error("the outcome is said to be known")
		}
	}
	for _, mode := range []string{"invalidate", "through"} {
		t.Run("it happened/"+mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hot(t, PreferCache{Write: mode})
				put(t, c, "k", "old")
				c.warm(t, "k", "old")
				c.disk.hookAfter(lost)
				write(t, c)
				c.warm(t, "k", "new")
			})
		})
		t.Run("it happens later/"+mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hot(t, PreferCache{Write: mode})
				put(t, c, "k", "old")
				c.warm(t, "k", "old")
				c.disk.hook(never)
				write(t, c)
				c.warm(t, "k", "old")
				put(t, c.disk.Store, "k", "new") // there it is
				c.warm(t, "k", "new")
				if hits, _ := c.events.lookups(); hits != 0 && mode == "invalidate" {
					t.Errorf("%d hits", hits)
				}
				time.Sleep(UnknownOutcomePause)
				c.warm(t, "k", "new")
				before := c.disk.gets.Load()
				c.wantValue(t, "k", storage.GetOptions{}, "new")
				if c.disk.gets.Load() != before {
					t.Error("it is not cached again")
				}
			})
		})
	}
	t.Run("until a later write is acknowledged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := hot(t, PreferCache{})
			c.disk.hook(never)
			write(t, c)
			c.disk.unhook()
			put(t, c, "k", "newer")
			c.warm(t, "k", "newer")
			c.wantValue(t, "k", storage.GetOptions{}, "newer")
			c.disk.wantReads(t, 1, 0)
		})
	})
	t.Run("in a batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := hotOver(t, PreferCache{}, otterCache(t), lostBatches{unwatched{memory(t)}})
			put(t, c, "k", "old")
			c.warm(t, "k", "old")
			if _, err := c.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchPut, Key: "k", Value: []byte("new")}}, storage.BatchOptions{}); err == nil {
				t.Fatal("the answer was not lost")
			}
			c.warm(t, "k", "new")
			c.warm(t, "k", "new")
			c.disk.wantReads(t, 3, 0)
		})
	})
}

// lostBatches does what it is told and says that it does not know.
type lostBatches struct{ storage.Store }

func (s lostBatches) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if _, err := s.Store.Batch(ctx, ops, opts); err != nil {
		return nil, err
	}
	e := storage.Errorf(storage.CodeUnavailable, "no answer")
	e.OutcomeUnknown = true
	return nil, e
}

func TestChangesByOthersShowAtOnceIfTheSourceIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := memory(t)
		mine := hotOver(t, PreferCache{TTL: time.Hour}, otterCache(t), source)
		others := hotOver(t, PreferCache{TTL: time.Hour}, otterCache(t), source)
		synctest.Wait() // both watch
		put(t, others, "k", "old")
		put(t, others, "kept", "kept")
		synctest.Wait()
		mine.warm(t, "k", "old")
		mine.warm(t, "kept", "kept")
		_, err := read(t, mine, "absent", storage.GetOptions{})
		wantCode(t, err, storage.CodeNotFound)

		put(t, others, "k", "new")
		put(t, others, "absent", "there")
		synctest.Wait() // the events have come
		mine.warm(t, "k", "new")
		mine.warm(t, "absent", "there")
		if _, err := others.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, err = read(t, mine, "k", storage.GetOptions{})
		wantCode(t, err, storage.CodeNotFound)

		before := mine.disk.gets.Load()
		mine.wantValue(t, "kept", storage.GetOptions{}, "kept")
		if mine.disk.gets.Load() != before {
			t.Error("what was not changed was read anew")
		}
		if n := mine.events.count(event.Invalidated); n != 2 {
			t.Errorf("told of %d invalidations", n)
		}
		if n := others.events.count(event.Invalidated); n != 0 {
			t.Errorf("its own writes invalidated %d entries", n)
		}
	})
}

// What a read was given may be old when the event of the change has come and gone.
func TestAChangeByOthersOvertakesAFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := memory(t)
		c := hotOver(t, PreferCache{TTL: time.Hour}, otterCache(t), source)
		synctest.Wait()
		put(t, source, "k", "old")
		synctest.Wait()
		g := newGate()
		c.disk.hookAfter(onceFor(event.OpGet, g))
		wait := background(func() { c.wantValue(t, "k", storage.GetOptions{}, "old") })
		synctest.Wait()
		put(t, source, "k", "new")
		synctest.Wait()
		close(g.open)
		wait()
		synctest.Wait()
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

// The event of the policy's own write comes before the write returns, or after.
func TestOnesOwnEventsInvalidateNothing(t *testing.T) {
	for _, mode := range []string{"invalidate", "through"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hotOver(t, PreferCache{Write: mode}, otterCache(t), memory(t))
				synctest.Wait()
				g := newGate()
				c.disk.hookAfter(onceFor(event.OpPut, g))
				wait := background(func() { put(t, c, "k", "v") })
				synctest.Wait() // the event has come
				close(g.open)
				wait()
				c.warm(t, "k", "v")
				put(t, c, "k", "w")
				c.warm(t, "k", "w")
				c.wantValue(t, "k", storage.GetOptions{}, "w")
				reads := map[string]int64{"invalidate": 2, "through": 0}[mode]
				c.disk.wantReads(t, reads, 0)
				if n := c.events.count(event.Invalidated) + c.events.count(event.FillDropped); n != 0 {
					t.Errorf("%d entries were given up", n)
				}
			})
		})
	}
}

// The cache had no entry when it was asked about a change, and the old value came
// into it right after that.
func TestAChangeIsNotMissedByAFillThatLandsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := memory(t)
		c := hotOver(t, PreferCache{TTL: time.Hour}, otterCache(t), source)
		synctest.Wait() // it watches
		put(t, source, "k", "old")
		synctest.Wait()
		full := newGate()
		c.mem.hooks.Store(&hooks{
			before: func(ctx context.Context, op event.Op, _ string) error {
				if op == event.OpPut {
					return full.pass(ctx)
				}
				return nil
			},
			after: func(_ context.Context, op event.Op, _ string, err error) error {
				if op == event.OpStat {
					close(full.open)
					time.Sleep(time.Millisecond) // the fill lands
				}
				return err
			},
		})
		c.wantValue(t, "k", storage.GetOptions{}, "old")
		put(t, source, "k", "new")
		time.Sleep(time.Second)
		c.mem.unhook()
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

// As above, of a Stat that found nothing: the key came before that was noted.
func TestAChangeIsNotMissedByAStatThatFoundNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := memory(t)
		c := hotOver(t, PreferCache{NegativeTTL: time.Hour}, otterCache(t), source)
		synctest.Wait() // it watches
		c.disk.hookAfter(func(_ context.Context, op event.Op, _ string, err error) error {
			if op == event.OpStat {
				put(t, source, "k", "new")
				time.Sleep(time.Millisecond) // the event comes
			}
			return err
		})
		_, err := c.Stat(t.Context(), "k", storage.StatOptions{})
		wantCode(t, err, storage.CodeNotFound)
		c.disk.unhook()
		c.wantValue(t, "k", storage.GetOptions{}, "new")
	})
}

// lossyWatch is a source whose streams are made by hand.
type lossyWatch struct {
	storage.Store
	streams chan storage.EventStream
	cursors []string
}

func (s *lossyWatch) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	select {
	case stream := <-s.streams:
		s.cursors = append(s.cursors, opts.Cursor)
		return stream, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type scriptedStream struct {
	events chan storage.Event
	cursor string
}

func (s *scriptedStream) Next(ctx context.Context) (storage.Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			return storage.Event{}, storage.Errorf(storage.CodeUnavailable, "the stream broke")
		}
		s.cursor = e.Cursor
		return e, nil
	case <-ctx.Done():
		return storage.Event{}, ctx.Err()
	}
}

func (s *scriptedStream) Cursor() string { return s.cursor }
func (s *scriptedStream) Close() error   { return nil }

func TestAWatchGoesOnWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &lossyWatch{Store: memory(t), streams: make(chan storage.EventStream)}
		c := hotOver(t, PreferCache{}, otterCache(t), source)
		first := &scriptedStream{events: make(chan storage.Event), cursor: "0"}
		source.streams <- first
		synctest.Wait()
		put(t, c, "k", "v")
		c.warm(t, "k", "v")
		put(t, source.Store, "k", "w")
		first.events <- storage.Event{Kind: storage.EventPut, Key: "k", ETag: "w", Cursor: "7"}
		synctest.Wait()
		c.warm(t, "k", "w")
		close(first.events)

		second := &scriptedStream{events: make(chan storage.Event), cursor: "7"}
		source.streams <- second
		synctest.Wait()
		if want := []string{"", "7"}; !slices.Equal(source.cursors, want) {
			t.Errorf("it watched from %q, want %q", source.cursors, want)
		}
		c.wantValue(t, "k", storage.GetOptions{}, "w")
		c.disk.wantReads(t, 2, 0)

		// After a gap anything may have changed, so the source is asked.
		put(t, source.Store, "k", "x")
		second.events <- storage.Event{Kind: storage.EventGap, Cursor: "9"}
		synctest.Wait()
		c.warm(t, "k", "x")
		c.disk.wantReads(t, 3, 1)
		second.events <- storage.Event{Kind: storage.EventGap, Cursor: "10"}
		synctest.Wait()
		c.warm(t, "k", "x")
		c.warm(t, "k", "x")
		c.disk.wantReads(t, 3, 2)
	})
}
