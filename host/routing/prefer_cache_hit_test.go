package routing

import (
	"context"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// warm reads key and waits until it is cached.
func (c cached) warm(t *testing.T, key, want string) {
	t.Helper()
	c.wantValue(t, key, storage.GetOptions{}, want)
	synctest.Wait()
}

func (c cached) wantValue(t *testing.T, key string, opts storage.GetOptions, want string) {
	t.Helper()
	if got, err := read(t, c, key, opts); err != nil || got != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

func sameObject(t testing.TB, got, want storage.Object) {
	t.Helper()
	if got.Key != want.Key || got.Size != want.Size || got.ETag != want.ETag || got.ContentType != want.ContentType || got.CRC32C != want.CRC32C ||
		!got.ModTime.Equal(want.ModTime) || !got.ExpiresAt.Equal(want.ExpiresAt) || !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAHitIsTheSourcesObject(t *testing.T) {
	cases := map[string]storage.PutOptions{
		"plain": {},
		"full": {
			ContentType: "text/plain", TTL: time.Hour,
			Metadata: map[string]string{"a": "1", metaVersion: "0123456789abcdef"},
		},
	}
	for name, opts := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hot(t, PreferCache{})
				res, err := c.disk.Store.Put(t.Context(), "k", strings.NewReader("0123456789"), opts)
				if err != nil {
					t.Fatal(err)
				}
				c.warm(t, "k", "0123456789")
				for range 2 { // a caller that changes what it was given changes nothing for others
					r, err := c.Get(t.Context(), "k", storage.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					sameObject(t, r.Object, res.Object)
					if r.Object.Metadata != nil {
						r.Object.Metadata["a"] = "changed"
					}
					if b, err := r.Bytes(); err != nil || string(b) != "0123456789" {
						t.Errorf("read %q, %v", b, err)
					}
				}
				o, err := c.Stat(t.Context(), "k", storage.StatOptions{})
				if err != nil {
					t.Fatal(err)
				}
				sameObject(t, o, res.Object)
				c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeOf(2, 3)}, "234")
				c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeLast(3)}, "789")
				c.disk.wantReads(t, 1, 0)
				if hits, misses := c.events.lookups(); hits != 5 || misses != 1 {
					t.Errorf("told of %d hits and %d misses", hits, misses)
				}
				_, err = read(t, c, "k", storage.GetOptions{Range: storage.RangeFrom(11)})
				wantCode(t, err, storage.CodeOutOfRange)
			})
		})
	}
}

func TestAMissServesRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "0123456789")
		c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeOf(2, 3)}, "234")
		synctest.Wait()
		c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeFrom(5)}, "56789")
		c.disk.wantReads(t, 1, 0)
	})
}

func TestEntriesEndWithTheTTLOfTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{TTL: time.Minute})
		put(t, c.disk.Store, "k", "old")
		c.warm(t, "k", "old")
		put(t, c.disk.Store, "k", "new") // by somebody else
		time.Sleep(time.Minute - 1)
		c.wantValue(t, "k", storage.GetOptions{}, "old")
		time.Sleep(time.Nanosecond)
		c.warm(t, "k", "new")
		c.wantValue(t, "k", storage.GetOptions{}, "new")
		c.disk.wantReads(t, 2, 0)
	})
}

func TestNoEntryOutlivesItsObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour})
		if _, err := c.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{TTL: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		c.warm(t, "k", "v")
		time.Sleep(10*time.Second - 1)
		c.wantValue(t, "k", storage.GetOptions{}, "v")
		time.Sleep(time.Nanosecond)
		for _, level := range []storage.Consistency{storage.ConsistencyEventual, storage.ConsistencyDefault} {
			_, err := read(t, c, "k", storage.GetOptions{Consistency: level})
			wantCode(t, err, storage.CodeNotFound)
			_, err = c.Stat(t.Context(), "k", storage.StatOptions{Consistency: level})
			wantCode(t, err, storage.CodeNotFound)
		}
	})
}

func TestWhatMustBeFreshBypassesTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "old")
		c.warm(t, "k", "old")
		now := put(t, c.disk.Store, "k", "new")
		c.wantValue(t, "k", storage.GetOptions{}, "old")
		c.wantValue(t, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong}, "new")
		c.wantValue(t, "k", storage.GetOptions{IfMatch: now.ETag}, "new")
		// The source has no versions, so the cache cannot tell what a session has seen.
		c.wantValue(t, "k", storage.GetOptions{Consistency: storage.ConsistencyReadYourWrites, Session: &storage.Session{}}, "new")
		c.wantValue(t, "k", storage.GetOptions{Consistency: storage.ConsistencyCausal, Session: &storage.Session{}}, "new")
		if o, err := c.Stat(t.Context(), "k", storage.StatOptions{Consistency: storage.ConsistencyStrong}); err != nil || o.ETag != now.ETag {
			t.Errorf("a strong stat: %q, %v", o.ETag, err)
		}
	})
}

func TestSessionsAreServedByVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		version := func(v string) storage.PutOptions {
			return storage.PutOptions{Metadata: map[string]string{metaVersion: v}}
		}
		if _, err := c.disk.Store.Put(t.Context(), "k", strings.NewReader("old"), version("0000000000000007")); err != nil {
			t.Fatal(err)
		}
		c.warm(t, "k", "old")
		if _, err := c.disk.Store.Put(t.Context(), "k", strings.NewReader("new"), version("0000000000000009")); err != nil {
			t.Fatal(err)
		}
		for _, level := range []storage.Consistency{storage.ConsistencyReadYourWrites, storage.ConsistencyCausal} {
			var old, newer storage.Session
			old.Observe("k", 7)
			c.wantValue(t, "k", storage.GetOptions{Consistency: level, Session: &old}, "old")
			newer.Observe("k", 8)
			c.wantValue(t, "k", storage.GetOptions{Consistency: level, Session: &newer}, "new")
		}
		var fresh storage.Session
		c.wantValue(t, "k", storage.GetOptions{Session: &fresh}, "old")
		if v := fresh.Least("k"); v != 7 {
			t.Errorf("the session remembers version %d", v)
		}
		c.disk.wantReads(t, 3, 0)
	})
}

func TestLargeValuesAreReadByEachForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{MaxEntry: 5})
		put(t, c.disk.Store, "k", "123456")
		put(t, c.disk.Store, "fits", "12345")
		c.warm(t, "k", "123456")
		c.disk.wantReads(t, 2, 0) // one that saw the size, one that read
		c.wantValue(t, "k", storage.GetOptions{Range: storage.RangeLast(1)}, "6")
		c.disk.wantReads(t, 3, 0)
		if n := c.mem.gets.Load(); n != 1 {
			t.Errorf("the cache was asked %d times for what is not cached", n)
		}
		c.warm(t, "fits", "12345")
		c.wantValue(t, "fits", storage.GetOptions{}, "12345")
		c.disk.wantReads(t, 4, 0)
		put(t, c, "k", "1")
		c.warm(t, "k", "1")
		c.wantValue(t, "k", storage.GetOptions{}, "1")
		c.disk.wantReads(t, 5, 0)
	})
}

func TestAbsenceIsRememberedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		absent := func(level storage.Consistency) {
			t.Helper()
			_, err := read(t, c, "k", storage.GetOptions{Consistency: level})
			wantCode(t, err, storage.CodeNotFound)
			_, err = c.Stat(t.Context(), "k", storage.StatOptions{Consistency: level})
			wantCode(t, err, storage.CodeNotFound)
		}
		absent(storage.ConsistencyDefault)
		absent(storage.ConsistencyDefault)
		absent(storage.ConsistencyEventual)
		c.disk.wantReads(t, 1, 0)
		absent(storage.ConsistencyStrong)
		absent(storage.ConsistencyCausal)
		c.disk.wantReads(t, 3, 2)

		put(t, c.disk.Store, "k", "of somebody else")
		time.Sleep(time.Second - 1)
		absent(storage.ConsistencyDefault)
		time.Sleep(time.Nanosecond)
		c.wantValue(t, "k", storage.GetOptions{}, "of somebody else")

		_, err := c.Stat(t.Context(), "mine", storage.StatOptions{})
		wantCode(t, err, storage.CodeNotFound)
		put(t, c, "mine", "v")
		c.wantValue(t, "mine", storage.GetOptions{}, "v")
		if _, err := c.Delete(t.Context(), "mine", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err = read(t, c, "mine", storage.GetOptions{})
		wantCode(t, err, storage.CodeNotFound)
	})
}

// A source that does not answer does not say that it lacks the key.
func TestOnlyTheSourcesNotFoundIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{})
		put(t, c.disk.Store, "k", "v")
		c.disk.hook(failing(storage.CodeUnavailable))
		_, err := read(t, c, "k", storage.GetOptions{})
		wantCode(t, err, storage.CodeUnavailable)
		_, err = c.Stat(t.Context(), "k", storage.StatOptions{})
		wantCode(t, err, storage.CodeUnavailable)
		c.disk.unhook()
		c.wantValue(t, "k", storage.GetOptions{}, "v")
	})
}

func TestStaleIsForWhoAcceptsIt(t *testing.T) {
	down := failing(storage.CodeUnavailable)
	cases := []struct {
		name   string
		o      PreferCache
		level  storage.Consistency
		past   time.Duration
		down   bool
		want   string // "" = Unavailable
		served int
	}{
		{"revalidating, eventual", PreferCache{StaleWhileRevalidate: time.Minute}, storage.ConsistencyEventual, time.Second, false, "old", 1},
		{"revalidating, default", PreferCache{StaleWhileRevalidate: time.Minute}, storage.ConsistencyDefault, time.Second, false, "new", 0},
		{"revalidating, strong", PreferCache{StaleWhileRevalidate: time.Minute}, storage.ConsistencyStrong, time.Second, false, "new", 0},
		{"revalidating, too old", PreferCache{StaleWhileRevalidate: time.Minute}, storage.ConsistencyEventual, time.Minute, false, "new", 0},
		{"revalidating, off", PreferCache{}, storage.ConsistencyEventual, time.Second, false, "new", 0},
		{"revalidating a source that is down", PreferCache{StaleWhileRevalidate: time.Minute}, storage.ConsistencyEventual, time.Second, true, "old", 1},
		{"on error, eventual", PreferCache{StaleIfError: time.Minute}, storage.ConsistencyEventual, time.Second, true, "old", 1},
		{"on error, without one", PreferCache{StaleIfError: time.Minute}, storage.ConsistencyEventual, time.Second, false, "new", 0},
		{"on error, default", PreferCache{StaleIfError: time.Minute}, storage.ConsistencyDefault, time.Second, true, "", 0},
		{"on error, causal", PreferCache{StaleIfError: time.Minute}, storage.ConsistencyCausal, time.Second, true, "", 0},
		{"on error, too old", PreferCache{StaleIfError: time.Minute}, storage.ConsistencyEventual, time.Minute, true, "", 0},
		{"on error, off", PreferCache{}, storage.ConsistencyEventual, time.Second, true, "", 0},
	}
	for _, tt := range cases {
		for _, op := range []event.Op{event.OpGet, event.OpStat} {
			t.Run(tt.name+"/"+op.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tt.o.TTL = time.Hour
					c := hot(t, tt.o)
					old := put(t, c.disk.Store, "k", "old")
					c.warm(t, "k", "old")
					now := put(t, c.disk.Store, "k", "new")
					time.Sleep(time.Hour + tt.past)
					if tt.down {
						c.disk.hook(down)
					}
					var got string
					var err error
					if op == event.OpGet {
						got, err = read(t, c, "k", storage.GetOptions{Consistency: tt.level})
					} else {
						var o storage.Object
						o, err = c.Stat(t.Context(), "k", storage.StatOptions{Consistency: tt.level})
						got = map[string]string{old.ETag: "old", now.ETag: "new"}[o.ETag]
					}
					if tt.want == "" {
						wantCode(t, err, storage.CodeUnavailable)
					} else if err != nil || got != tt.want {
						t.Errorf("got %q, %v; want %q", got, err, tt.want)
					}
					if n := c.events.count(event.ServedStale); n != tt.served {
						t.Errorf("told of %d stale answers, want %d", n, tt.served)
					}
					synctest.Wait()
					if tt.o.StaleWhileRevalidate > 0 && tt.want == "old" && !tt.down {
						c.wantValue(t, "k", storage.GetOptions{}, "new") // it was read anew meanwhile
						c.disk.wantReads(t, 2, 0)
					}
				})
			})
		}
	}
}

// What the source answers is the truth, also where a stale entry would do.
func TestStaleIsNotForASourceThatAnswers(t *testing.T) {
	for _, code := range []storage.Code{storage.CodePermissionDenied, storage.CodeNotFound} {
		for _, op := range []event.Op{event.OpGet, event.OpStat} {
			synctest.Test(t, func(t *testing.T) {
				c := hot(t, PreferCache{TTL: time.Hour, StaleIfError: time.Minute})
				put(t, c.disk.Store, "k", "old")
				c.warm(t, "k", "old")
				time.Sleep(time.Hour + time.Second)
				c.disk.hook(failing(code))
				var err error
				if op == event.OpGet {
					_, err = read(t, c, "k", storage.GetOptions{Consistency: storage.ConsistencyEventual})
				} else {
					_, err = c.Stat(t.Context(), "k", storage.StatOptions{Consistency: storage.ConsistencyEventual})
				}
				wantCode(t, err, code)
			})
		}
	}
}

// A key that was written through the policy has no stale entry any more.
func TestStaleIsNeverWhatWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hot(t, PreferCache{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour})
		put(t, c, "k", "old")
		c.warm(t, "k", "old")
		c.mem.hook(func(_ context.Context, op event.Op, _ string) error {
			if op == event.OpDelete {
				return storage.Errorf(storage.CodeUnavailable, "no deletes")
			}
			return nil
		})
		put(t, c, "k", "new")
		c.disk.hook(failing(storage.CodeUnavailable))
		_, err := read(t, c, "k", storage.GetOptions{Consistency: storage.ConsistencyEventual})
		wantCode(t, err, storage.CodeUnavailable)
	})
}

// The flight asks for the default, which the source may not be able to give.
func TestAnEventualReadAsksTheSourceForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weak := &weakSource{Store: unwatched{memory(t)}}
		c := hotOver(t, PreferCache{}, otterCache(t), weak)
		put(t, weak.Store, "k", "v")
		_, err := read(t, c, "k", storage.GetOptions{})
		wantCode(t, err, storage.CodeUnavailable)
		c.wantValue(t, "k", storage.GetOptions{Consistency: storage.ConsistencyEventual}, "v")
		synctest.Wait()
		_, err = read(t, c, "k", storage.GetOptions{})
		wantCode(t, err, storage.CodeUnavailable) // what may be old was not cached
	})
}

// weakSource answers only reads that accept any version.
type weakSource struct{ storage.Store }

func (s *weakSource) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if opts.Consistency != storage.ConsistencyEventual {
		return nil, storage.Errorf(storage.CodeUnavailable, "no quorum")
	}
	return s.Store.Get(ctx, key, opts)
}

func TestASourceWithoutEventualIsAskedForItsDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hotOver(t, PreferCache{}, otterCache(t), levelless{unwatched{memory(t)}})
		if !c.Capabilities().Consistency.Has(storage.ConsistencyEventual) || c.Capabilities().Consistency.Has(storage.ConsistencyStrong) {
			t.Errorf("its levels are %v", c.Capabilities().Consistency.Levels())
		}
		level := storage.ConsistencyEventual
		if _, err := c.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{Consistency: level}); err != nil {
			t.Fatal(err)
		}
		c.wantValue(t, "k", storage.GetOptions{Consistency: level}, "v")
		if _, err := c.List(t.Context(), storage.ListOptions{Consistency: level}); err != nil {
			t.Error(err)
		}
		_, err := read(t, c, "k", storage.GetOptions{Consistency: storage.ConsistencyCausal})
		wantCode(t, err, storage.CodeUnimplemented)
	})
}

// levelless is a backend that gives no level on request.
type levelless struct{ storage.Store }

func (s levelless) Capabilities() storage.Capabilities {
	caps := s.Store.Capabilities()
	caps.Consistency = 0
	return caps
}

func (s levelless) refuse(level storage.Consistency) error {
	if level != storage.ConsistencyDefault {
		return storage.Errorf(storage.CodeUnimplemented, "no levels")
	}
	return nil
}

func (s levelless) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := s.refuse(opts.Consistency); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key, opts)
}

func (s levelless) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.refuse(opts.Consistency); err != nil {
		return storage.PutResult{}, err
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s levelless) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := s.refuse(opts.Consistency); err != nil {
		return storage.Page{}, err
	}
	return s.Store.List(ctx, opts)
}
