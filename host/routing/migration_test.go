package routing

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// resharded is a host with three children whose shards change.
type resharded struct {
	t     testing.TB
	env   Env
	kids  kids
	lists [3]*unlisted
	store storage.Store
	moved atomic.Int64
}

// unlisted is a child whose listings can be made to fail.
type unlisted struct {
	storage.Store
	off   atomic.Bool
	asked chan struct{} // receives when one failed
}

func (u *unlisted) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if !u.off.Load() {
		return u.Store.List(ctx, opts)
	}
	select {
	case u.asked <- struct{}{}:
	default:
	}
	return storage.Page{}, storage.Errorf(storage.CodeUnavailable, "no listings")
}

func newResharded(t testing.TB) *resharded {
	r := &resharded{t: t, env: testEnv(t), kids: newKids(t)}
	r.env.Listener = event.Listener{Policy: func(i event.PolicyInfo) {
		if i.Event == event.Moved {
			r.moved.Add(1)
		}
	}}
	for i, s := range r.kids {
		r.lists[i] = &unlisted{Store: s.Store, asked: make(chan struct{}, 1)}
		s.Store = r.lists[i]
	}
	t.Cleanup(r.close)
	return r
}

func (r *resharded) close() {
	if r.store == nil {
		return
	}
	if err := r.store.Close(context.WithoutCancel(r.t.Context())); err != nil {
		r.t.Error(err)
	}
	r.store = nil
}

// become restarts the host with other shards; indices of names.
func (r *resharded) become(o Shard, shards ...int) {
	r.t.Helper()
	r.close()
	if err := r.try(o, shards...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *resharded) try(o Shard, shards ...int) (err error) {
	o.Shards = nil
	for _, i := range shards {
		o.Shards = append(o.Shards, names[i])
	}
	if o.MoveRate == 0 {
		o.MoveRate = 1_000_000
	}
	r.store, err = o.Build("p", r.env, Children(r.kids.children()...))
	return err
}

// shard returns what is below the completion.
func (r *resharded) shard() *shard { return r.store.(completed).engine.(*shard) }

// settle waits for the end of the migration.
func (r *resharded) settle() {
	r.t.Helper()
	s := r.shard()
	s.worker.Wait()
	if s.migration.Load() != nil {
		r.t.Fatal("the migration ended before all keys had moved")
	}
}

// check expects every key of want at its owner and nowhere else.
func (r *resharded) check(want map[string]string) {
	r.t.Helper()
	s := r.shard()
	for key, value := range want {
		owner, _ := s.owner(key)
		at := r.kids.holder(r.t, key)
		if at < 0 || names[at] != s.children[owner].child.Name {
			r.t.Fatalf("%q is at %d, its owner is %s", key, at, s.children[owner].child.Name)
		}
		if got, err := read(r.t, r.store, key, storage.GetOptions{}); err != nil || got != value {
			r.t.Fatalf("%q is %q, %v; want %q", key, got, err, value)
		}
	}
	r.checkList(want)
}

func (r *resharded) checkList(want map[string]string) {
	r.t.Helper()
	got, _ := listAll(r.t, r.store, storage.ListOptions{Limit: 37})
	if keys := slices.Sorted(maps.Keys(want)); !slices.Equal(got, keys) {
		r.t.Fatalf("listed %d keys, want %d", len(got), len(keys))
	}
}

func (r *resharded) fill(n int) map[string]string {
	r.t.Helper()
	want := map[string]string{}
	for i := range n {
		key := fmt.Sprint("key-", i)
		want[key] = fmt.Sprint("value-", i)
		put(r.t, r.store, key, want[key])
	}
	return want
}

func TestKeysMoveToANewShardAndNoOthers(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	want := r.fill(300)
	before := map[string]int{}
	for key := range want {
		before[key] = r.kids.holder(t, key)
	}
	r.become(Shard{}, 0, 1, 2)
	r.checkList(want)
	for key, value := range want {
		if got, err := read(t, r.store, key, storage.GetOptions{}); err != nil || got != value {
			t.Fatalf("while keys move %q is %q, %v", key, got, err)
		}
	}
	r.settle()
	r.check(want)
	moved := 0
	for key, was := range before {
		if now := r.kids.holder(t, key); now == 2 {
			moved++
		} else if now != was {
			t.Fatalf("%q moved from %d to %d", key, was, now)
		}
	}
	if moved < 60 || moved > 140 || int(r.moved.Load()) != moved {
		t.Errorf("%d keys moved, the policy told of %d", moved, r.moved.Load())
	}
	r.become(Shard{}, 0, 1, 2) // it is settled: nothing is looked for any more
	if s := r.shard(); s.migration.Load() != nil {
		t.Error("a settled topology is migrated to again")
	}
}

func TestAShardThatLeavesMustBePrevious(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1, 2)
	want := r.fill(100)
	r.close()
	err := r.try(Shard{}, 0, 1)
	wantCode(t, err, storage.CodeInvalidArgument)
	if !strings.Contains(err.Error(), "backend.c was one of the shards and may still have keys; add previous = [backend.c] until they have moved") {
		t.Fatal(err)
	}
	r.become(Shard{Previous: []string{"backend.c"}}, 0, 1)
	r.settle()
	r.check(want)
	r.become(Shard{Previous: []string{"backend.c"}}, 0, 1) // which may stay there
	r.become(Shard{}, 0, 1)
	r.check(want)
}

func TestPreviousIsRefusedWhereItMakesNoSense(t *testing.T) {
	k := newKids(t)
	both := Shard{Shards: names[:2], Previous: names[1:]}
	_, err := both.Build("p", testEnv(t), Children(k.children()...))
	wantCode(t, err, storage.CodeInvalidArgument)
	if diags := both.Check(func(string) []string { return nil }); len(diags) != 1 || !strings.Contains(diags[0].Detail, "backend.b is one of the shards") {
		t.Errorf("%v", diags)
	}
	_, err = Shard{Shards: names[:2], Previous: names[2:]}.Build("p", Env{}, Children(k.children()...))
	if wantCode(t, err, storage.CodeInvalidArgument); !strings.Contains(err.Error(), "needs a journal") {
		t.Error(err)
	}
}

// misplaced returns a key that was at names[from] with the first two shards and
// belongs to names[2] with three.
func (*resharded) misplaced(from int) string {
	return keyWith(func(key string) bool { return ownerOf(key, 0, 1) == from && ownerOf(key, 0, 1, 2) == 2 })
}

// halted has three shards from now on, and a migration that does not go on.
func (r *resharded) halted() {
	r.t.Helper()
	for _, l := range r.lists {
		l.off.Store(true)
	}
	r.become(Shard{}, 0, 1, 2)
	r.shard().stop()
	r.shard().worker.Wait()
	for _, l := range r.lists {
		l.off.Store(false)
	}
}

func TestOperationsWhileAKeyHasNotMoved(t *testing.T) {
	type host struct {
		*resharded
		key    string
		before storage.Object
	}
	ctx := t.Context()
	ifMatch := func(etag string) storage.PutOptions { return storage.PutOptions{If: storage.IfETag(etag)} }
	for name, run := range map[string]func(t *testing.T, h host){
		"it is read where it was": func(t *testing.T, h host) {
			for _, level := range append(storage.AllConsistencyLevels().Levels(), storage.ConsistencyDefault) {
				if got, err := read(t, h.store, h.key, storage.GetOptions{Consistency: level}); err != nil || got != "v" {
					t.Errorf("at %v: %q, %v", level, got, err)
				}
			}
			if at := h.kids.holder(t, h.key); at != 0 {
				t.Errorf("a read moved it to %d", at)
			}
		},
		"a put moves it": func(t *testing.T, h host) {
			res, err := h.store.Put(ctx, h.key, strings.NewReader("w"), storage.PutOptions{})
			if err != nil || res.Created != storage.No || h.kids.holder(t, h.key) != 2 {
				t.Errorf("%+v, %v", res, err)
			}
		},
		"a conditional put knows its etag": func(t *testing.T, h host) {
			if _, err := h.store.Put(ctx, h.key, strings.NewReader("w"), ifMatch(h.before.ETag)); err != nil || h.kids.holder(t, h.key) != 2 {
				t.Error(err)
			}
			_, err := h.store.Put(ctx, h.key, strings.NewReader("x"), ifMatch(h.before.ETag))
			wantCode(t, err, storage.CodeFailedPrecondition)
		},
		"it exists": func(t *testing.T, h host) {
			_, err := h.store.Put(ctx, h.key, strings.NewReader("w"), storage.PutOptions{If: storage.IfAbsent()})
			wantCode(t, err, storage.CodeFailedPrecondition)
		},
		"a delete deletes it": func(t *testing.T, h host) {
			d, err := h.store.Delete(ctx, h.key, storage.DeleteOptions{})
			if err != nil || d.Existed != storage.Yes || h.kids.holder(t, h.key) >= 0 {
				t.Errorf("%+v, %v", d, err)
			}
		},
		"a conditional delete deletes it": func(t *testing.T, h host) {
			d, err := h.store.Delete(ctx, h.key, storage.DeleteOptions{If: storage.IfETag(h.before.ETag)})
			if err != nil || d.Existed != storage.Yes || h.kids.holder(t, h.key) >= 0 {
				t.Errorf("%+v, %v", d, err)
			}
		},
		"a copy finds it": func(t *testing.T, h host) {
			if _, err := h.store.Copy(ctx, h.key, "copy", storage.CopyOptions{SourceIfMatch: h.before.ETag}); err != nil {
				t.Error(err)
			}
		},
		"a batch finds it": func(t *testing.T, h host) {
			results, err := h.store.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchGet, Key: h.key}}, storage.BatchOptions{})
			if err != nil || string(results[0].Value) != "v" {
				t.Errorf("%+v, %v", results, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResharded(t)
			r.become(Shard{}, 0, 1)
			h := host{resharded: r, key: r.misplaced(0)}
			h.before = put(t, r.store, h.key, "v")
			r.halted()
			run(t, h)
		})
	}
}

func TestAMovingKeyNeedsItsEarlierOwner(t *testing.T) {
	for _, down := range []int{0, 2} {
		t.Run(names[down], func(t *testing.T) {
			r := newResharded(t)
			ctx := t.Context()
			r.become(Shard{}, 0, 1)
			key := r.misplaced(0)
			absent := keyWith(func(k string) bool { return k != key && ownerOf(k, 0, 1) == 0 && ownerOf(k, 0, 1, 2) == 2 })
			put(t, r.store, key, "v")
			r.halted()
			r.kids[down].fail(storage.CodeUnavailable)
			for name, run := range map[string]func() error{
				"get of what is missing": func() error { _, err := read(t, r.store, absent, storage.GetOptions{}); return err },
				"put of what is missing": func() error {
					_, err := r.store.Put(ctx, absent, strings.NewReader("w"), storage.PutOptions{})
					return err
				},
				"put": func() error {
					_, err := r.store.Put(ctx, key, strings.NewReader("w"), storage.PutOptions{})
					return err
				},
				"delete":                    func() error { _, err := r.store.Delete(ctx, key, storage.DeleteOptions{}); return err },
				"delete of what is missing": func() error { _, err := r.store.Delete(ctx, absent, storage.DeleteOptions{}); return err },
			} {
				err := run()
				if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), names[down]) {
					t.Errorf("%s: %v does not name %s", name, err, names[down])
				}
			}
			r.kids[down].err.Store(nil)
			got, err := read(t, r.store, key, storage.GetOptions{})
			if down == 2 { // the delete began at the earlier owner
				wantCode(t, err, storage.CodeNotFound)
			} else if err != nil || got != "v" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestAnInterruptedMoveIsCompleted(t *testing.T) {
	for name, at2 := range map[string]string{"before the old copy was deleted": "v", "and the key was written since": "w"} {
		t.Run(name, func(t *testing.T) {
			r := newResharded(t)
			r.become(Shard{}, 0, 1)
			key := r.misplaced(1)
			put(t, r.store, key, "v")
			put(t, r.kids[2].Store, key, at2)
			r.become(Shard{}, 0, 1, 2)
			if got, err := read(t, r.store, key, storage.GetOptions{}); err != nil || got != at2 {
				t.Errorf("read %q, %v", got, err)
			}
			r.settle()
			r.check(map[string]string{key: at2})
		})
	}
}

func TestOfSeveralEarlierOwnersTheLatestCounts(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0)
	key := r.misplaced(1)
	put(t, r.store, key, "old")
	for _, s := range r.lists {
		s.off.Store(true)
	}
	r.become(Shard{}, 0, 1)
	r.become(Shard{}, 0, 1, 2)
	put(t, r.kids[1].Store, key, "new")
	if got, err := read(t, r.store, key, storage.GetOptions{}); err != nil || got != "new" {
		t.Errorf("read %q, %v", got, err)
	}
	for _, s := range r.lists {
		s.off.Store(false)
	}
	r.become(Shard{}, 0, 1, 2)
	r.settle()
	r.check(map[string]string{key: "new"})
}

func TestStrangersKeysAreLeftAlone(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	key := r.misplaced(0)
	put(t, r.kids[1].Store, key, "a stranger's")
	r.become(Shard{}, 0, 1, 2)
	r.settle()
	if at := r.kids.holder(t, key); at != 1 {
		t.Errorf("a key that was never the shard's is at %d now", at)
	}
	r.checkList(nil)
}

func TestAMoveKeepsEverything(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	key := r.misplaced(0)
	before, err := r.store.Put(t.Context(), key, strings.NewReader("v"), storage.PutOptions{
		ContentType: "text/plain", Metadata: map[string]string{"a": "b", "stowage-version": "00000000000000ff"}, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.become(Shard{}, 0, 1, 2)
	r.settle()
	now, err := r.kids[2].Store.Stat(t.Context(), key, storage.StatOptions{})
	if err != nil || now.ContentType != "text/plain" || !maps.Equal(now.Metadata, before.Object.Metadata) || now.CRC32C != before.Object.CRC32C {
		t.Errorf("%+v, %v", now, err)
	}
	if off := now.ExpiresAt.Sub(before.Object.ExpiresAt); off.Abs() > time.Second {
		t.Errorf("it expires %v later", off)
	}
}

func TestAMoveYieldsToOtherHosts(t *testing.T) {
	for name, c := range map[string]struct {
		meddle func(t *testing.T, from storage.Store, key string)
		want   map[string]string
	}{
		"that wrote to the earlier owner": {
			func(t *testing.T, from storage.Store, key string) { put(t, from, key, "theirs") }, map[string]string{"": "theirs"},
		},
		"that deleted the key": {
			func(t *testing.T, from storage.Store, key string) {
				if _, err := from.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResharded(t)
			r.become(Shard{}, 0, 1)
			key := r.misplaced(0)
			put(t, r.store, key, "ours")
			r.meddle(0, onDelete, func(from storage.Store) { c.meddle(t, from, key) })
			r.become(Shard{}, 0, 1, 2)
			r.settle()
			want := map[string]string{}
			for _, v := range c.want {
				want[key] = v
			}
			r.check(want)
			if len(want) == 0 && r.kids.holder(t, key) >= 0 {
				t.Error("a deleted key is back")
			}
		})
	}
}

func TestAMigrationGoesOnWhereItWas(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	want := r.fill(200)
	r.lists[1].off.Store(true) // the migration comes to backend.b and no further
	r.become(Shard{}, 0, 1, 2)
	<-r.lists[1].asked
	r.close()
	moved := r.moved.Load()
	if moved == 0 {
		t.Fatal("nothing moved")
	}
	r.lists[1].off.Store(false)
	r.become(Shard{}, 0, 1, 2)
	r.settle()
	r.check(want)
}

func TestTopologiesAreBounded(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	for _, s := range r.lists {
		s.off.Store(true)
	}
	var err error
	for i := 0; err == nil && i < 2*maxTopologies; i++ {
		r.close()
		err = r.try(Shard{Weights: map[string]float64{"a": float64(i + 2)}}, 0, 1)
	}
	if err == nil || !strings.Contains(err.Error(), "had not all moved") {
		t.Fatalf("got %v", err)
	}
}

// Writers, deleters and readers of their own keys go on while the topology
// changes again and again, sometimes before a migration has ended.
func TestNoKeyIsLostOrBackWhileKeysMove(t *testing.T) {
	r := newResharded(t)
	all := []int{0, 1, 2}
	r.become(Shard{}, all...)
	const workers, keysEach = 6, 12
	models := make([]map[string]string, workers)
	for w := range models {
		models[w] = map[string]string{}
	}
	for round := range 8 {
		var wg sync.WaitGroup
		for w, model := range models {
			wg.Go(func() { r.work(model, w, round, keysEach) })
		}
		wg.Wait()
		want := map[string]string{}
		for _, model := range models {
			maps.Copy(want, model)
		}
		r.checkList(want)
		if round%3 == 2 {
			r.settle()
			r.check(want)
		}
		weights := map[string]float64{"a": 1 + 9*rand.Float64(), "b": 1 + 9*rand.Float64(), "c": 1 + 9*rand.Float64()}
		shards, previous := all, []string(nil)
		if gone := round % 3; gone != 2 {
			shards, previous = slices.Delete(slices.Clone(all), gone, gone+1), []string{names[gone]}
			delete(weights, names[gone][len("backend."):])
		}
		r.become(Shard{Weights: weights, Previous: previous, MoveRate: 2000}, shards...)
	}
}

// work does random operations on keys that nobody else touches.
func (r *resharded) work(model map[string]string, worker, round, keys int) {
	rng := rand.New(rand.NewPCG(uint64(worker), uint64(round)))
	ctx := r.t.Context()
	etags := map[string]string{}
	for n := range 120 {
		key := fmt.Sprintf("w%d/%d", worker, rng.IntN(keys))
		value := fmt.Sprintf("%d/%d", round, n)
		switch op := rng.IntN(6); op {
		case 0, 1:
			res, err := r.store.Put(ctx, key, strings.NewReader(value), storage.PutOptions{})
			if err != nil {
				r.t.Errorf("put: %v", err)
				return
			}
			model[key], etags[key] = value, res.Object.ETag
		case 2:
			_, err := r.store.Put(ctx, key, strings.NewReader(value), storage.PutOptions{If: storage.IfAbsent()})
			_, exists := model[key]
			if exists != (err != nil) || err != nil && storage.CodeOf(err) != storage.CodeFailedPrecondition {
				r.t.Errorf("put if absent of %q, which exists: %v; got %v", key, exists, err)
				return
			}
			if err == nil {
				model[key] = value
				delete(etags, key)
			}
		case 3:
			d, err := r.store.Delete(ctx, key, storage.DeleteOptions{})
			if _, exists := model[key]; err != nil || d.Existed != storage.TristateOf(exists) {
				r.t.Errorf("delete of %q, which exists: %v; got %v, %v", key, exists, d.Existed, err)
				return
			}
			delete(model, key)
			delete(etags, key)
		default:
			got, err := r.get(ctx, key)
			if want, exists := model[key]; exists && (err != nil || got != want) || !exists && storage.CodeOf(orNil(err)) != storage.CodeNotFound {
				r.t.Errorf("get of %q: %q, %v; want %q, which exists: %v", key, got, err, want, exists)
				return
			}
		}
	}
}

func orNil(err error) error {
	if err == nil {
		return storage.ErrInternal
	}
	return err
}

func (r *resharded) get(ctx context.Context, key string) (string, error) {
	reader, err := r.store.Get(ctx, key, storage.GetOptions{})
	if err != nil {
		return "", err
	}
	defer reader.Close()
	b, err := io.ReadAll(reader)
	return string(b), err
}
