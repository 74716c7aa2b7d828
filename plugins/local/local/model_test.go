package local

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestModelInMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		b, _ := OpenMemory(MemoryOptions{SweepInterval: time.Hour}).(*store)
		b.now = m.now
		m.run(t, b, nil)
	})
}

func TestModelOnDisk(t *testing.T) {
	path := t.TempDir()
	var m *model // of the current check; the store is one for all, because creating one takes its time
	open := func() *store {
		s, err := openDisk(context.Background(), DiskOptions{
			Path: path, InlineLimit: 16, MaxBytes: 1 << 30, SweepInterval: time.Hour,
			now: func() time.Time { return m.now() },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		m = newModel()
		s := open()
		page, err := s.List(context.Background(), storage.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			mustDelete(t, s, o.Key)
		}
		m.run(t, s, open)
	})
}

// model is what a store should be: a map and a clock.
type model struct {
	clock   atomic.Int64
	objects map[string]modelObject
	etags   map[string]bool
}

type modelObject struct {
	value   string
	etag    string
	expires time.Time
}

func newModel() *model {
	m := &model{objects: make(map[string]modelObject), etags: make(map[string]bool)}
	m.clock.Store(1_700_000_000e9)
	return m
}

func (m *model) now() time.Time { return time.Unix(0, m.clock.Load()).UTC() }

// live returns the object of key and forgets it if it has expired.
func (m *model) live(key string) (modelObject, bool) {
	o, ok := m.objects[key]
	if ok && !o.expires.IsZero() && !m.now().Before(o.expires) {
		delete(m.objects, key)
		return modelObject{}, false
	}
	return o, ok
}

func (m *model) keys() []string {
	for key := range m.objects {
		m.live(key)
	}
	return slices.Sorted(maps.Keys(m.objects))
}

// holds evaluates a condition as the contract words it.
func (m *model) holds(key string, c storage.Condition) bool {
	o, ok := m.live(key)
	switch c.Kind {
	case storage.ConditionAbsent:
		return !ok
	case storage.ConditionExists:
		return ok
	case storage.ConditionETag:
		return ok && o.etag == c.ETag
	default:
		return true
	}
}

func (m *model) stored(t *rapid.T, o storage.Object, value string, ttl time.Duration) {
	if m.etags[o.ETag] {
		t.Fatalf("the etag %s was given before", o.ETag)
	}
	m.etags[o.ETag] = true
	stored := modelObject{value: value, etag: o.ETag}
	if ttl > 0 {
		stored.expires = m.now().Add(ttl)
	}
	if !o.ExpiresAt.Equal(stored.expires) {
		t.Fatalf("it expires at %v, want %v", o.ExpiresAt, stored.expires)
	}
	m.objects[o.Key] = stored
}

func (m *model) run(t *rapid.T, inside *store, reopen func() *store) {
	ctx := context.Background()
	s := storage.Complete(inside)
	defer func() {
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}()
	keys := rapid.SampledFrom([]string{"a", "a/", "a/b", "a/b/c", "a0", "b", "é"})
	values := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat(rapid.SampledFrom([]string{"x", "yz"}).Draw(t, "text"), rapid.SampledFrom([]int{0, 1, 8, 9, 50}).Draw(t, "times"))
	})
	ttls := rapid.SampledFrom([]time.Duration{0, 0, time.Second, time.Minute})
	condition := func(t *rapid.T, key string) storage.Condition {
		o, _ := m.live(key)
		choices := []storage.Condition{{}, {}, storage.IfExists(), storage.IfAbsent(), storage.IfETag("other")}
		if o.etag != "" {
			choices = append(choices, storage.IfETag(o.etag))
		}
		return rapid.SampledFrom(choices).Draw(t, "condition")
	}
	check := func(t *rapid.T, err error, fine bool, otherwise error) {
		if fine && err != nil || !fine && !errors.Is(err, otherwise) {
			t.Fatalf("got %v, fine is %v", err, fine)
		}
	}
	steps := map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			key, value, ttl := keys.Draw(t, "key"), values.Draw(t, "value"), ttls.Draw(t, "ttl")
			c := condition(t, key)
			_, existed := m.live(key)
			res, err := s.Put(ctx, key, strings.NewReader(value), storage.PutOptions{If: c, TTL: ttl})
			check(t, err, m.holds(key, c), storage.ErrFailedPrecondition)
			if err == nil {
				if res.Created != storage.TristateOf(!existed) {
					t.Fatalf("created is %v", res.Created)
				}
				m.stored(t, res.Object, value, ttl)
			}
		},
		"delete": func(t *rapid.T) {
			key := keys.Draw(t, "key")
			c := condition(t, key)
			if c.Kind == storage.ConditionAbsent {
				c = storage.Condition{}
			}
			_, existed := m.live(key)
			res, err := s.Delete(ctx, key, storage.DeleteOptions{If: c})
			check(t, err, m.holds(key, c), storage.ErrFailedPrecondition)
			if err == nil {
				if res.Existed != storage.TristateOf(existed) {
					t.Fatalf("existed is %v", res.Existed)
				}
				delete(m.objects, key)
			}
		},
		"copy": func(t *rapid.T) {
			src, dst := keys.Draw(t, "src"), keys.Draw(t, "dst")
			c := condition(t, dst)
			o, ok := m.live(src)
			res, err := s.Copy(ctx, src, dst, storage.CopyOptions{If: c})
			if !ok {
				if !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrFailedPrecondition) {
					t.Fatalf("got %v", err)
				}
				return
			}
			check(t, err, m.holds(dst, c), storage.ErrFailedPrecondition)
			if err == nil {
				ttl := time.Duration(0)
				if !o.expires.IsZero() {
					ttl = o.expires.Sub(m.now())
				}
				m.stored(t, res.Object, o.value, ttl)
			}
		},
		"atomic batch": func(t *rapid.T) {
			var ops []storage.BatchOp
			holds := true
			seen := make(map[string]bool)
			for range rapid.IntRange(1, 4).Draw(t, "ops") {
				key := keys.Draw(t, "key")
				if seen[key] {
					continue
				}
				seen[key] = true
				op := storage.BatchOp{Kind: storage.BatchDelete, Key: key}
				if rapid.Bool().Draw(t, "put") {
					op = storage.BatchOp{Kind: storage.BatchPut, Key: key, Value: []byte(values.Draw(t, "value"))}
					op.Put = storage.PutOptions{If: condition(t, key), TTL: ttls.Draw(t, "ttl")}
				}
				holds = holds && m.holds(key, op.Put.If)
				ops = append(ops, op)
			}
			results, err := s.Batch(ctx, ops, storage.BatchOptions{Atomic: true})
			if err != nil {
				t.Fatal(err)
			}
			for i, op := range ops {
				if (results[i].Err == nil) != holds {
					t.Fatalf("operation %d: %v", i, results[i].Err)
				}
				if holds && op.Kind == storage.BatchDelete {
					delete(m.objects, op.Key)
				} else if holds {
					m.stored(t, results[i].Object, string(op.Value), op.Put.TTL)
				}
			}
		},
		"get a range": func(t *rapid.T) {
			key := keys.Draw(t, "key")
			offset := rapid.Int64Range(0, 60).Draw(t, "offset")
			o, ok := m.live(key)
			r, err := s.Get(ctx, key, storage.GetOptions{Range: storage.RangeFrom(offset)})
			switch {
			case !ok:
				check(t, err, false, storage.ErrNotFound)
			case offset > int64(len(o.value)):
				check(t, err, false, storage.ErrOutOfRange)
			default:
				check(t, err, true, nil)
				if value, err := r.Bytes(); err != nil || string(value) != o.value[offset:] {
					t.Fatalf("got %q, %v", value, err)
				}
			}
		},
		"list": func(t *rapid.T) {
			opts := storage.ListOptions{
				Prefix:    rapid.SampledFrom([]string{"", "a", "a/", "é"}).Draw(t, "prefix"),
				Delimiter: rapid.SampledFrom([]string{"", "/"}).Draw(t, "delimiter"),
				Limit:     rapid.IntRange(1, 3).Draw(t, "limit"),
			}
			var got, want []string
			for {
				page, err := s.List(ctx, opts)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page.Objects {
					got = append(got, o.Key)
				}
				got = append(got, page.Prefixes...)
				if opts.Token = page.NextToken; opts.Token == "" {
					break
				}
			}
			for _, key := range m.keys() {
				if !strings.HasPrefix(key, opts.Prefix) {
					continue
				}
				if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
					key = prefix
				}
				want = append(want, key)
			}
			slices.Sort(got)
			if want = slices.Compact(want); !slices.Equal(got, want) {
				t.Fatalf("listed %q, want %q", got, want)
			}
		},
		"let time pass": func(t *rapid.T) {
			m.clock.Add(int64(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute}).Draw(t, "time")))
			if rapid.Bool().Draw(t, "sweep") {
				inside.sweep(ctx)
			}
		},
		"": func(t *rapid.T) {
			for _, key := range m.keys() {
				r, err := s.Get(ctx, key, storage.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				value, err := r.Bytes()
				if err != nil || !bytes.Equal(value, []byte(m.objects[key].value)) || r.Object.ETag != m.objects[key].etag {
					t.Fatalf("%q is %q with etag %s, %v", key, value, r.Object.ETag, err)
				}
			}
		},
	}
	if reopen != nil {
		steps["close and open"] = func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "dice") > 0 {
				t.Skip("opening takes its time")
			}
			if err := s.Close(ctx); err != nil {
				t.Fatal(err)
			}
			used := inside.quota.used.Load()
			inside = reopen()
			s = storage.Complete(inside)
			if got := inside.quota.used.Load(); got != used {
				t.Fatalf("%d bytes are counted at the opening, %d were in use", got, used)
			}
		}
	}
	t.Repeat(steps)
}
