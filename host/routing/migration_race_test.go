package routing

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// meddling is a child that lets somebody else in, once, before it is asked.
type meddling struct {
	storage.Store
	get, list, delete func()

	mu sync.Mutex
}

func (m *meddling) meddle(with *func()) {
	m.mu.Lock()
	f := *with
	*with = nil
	m.mu.Unlock()
	if f != nil {
		f()
	}
}

func (m *meddling) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	m.meddle(&m.get)
	return m.Store.Get(ctx, key, opts)
}

func (m *meddling) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	m.meddle(&m.list)
	return m.Store.List(ctx, opts)
}

func (m *meddling) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	m.meddle(&m.delete)
	return m.Store.Delete(ctx, key, opts)
}

// meddle lets f in before the child is asked for what pick names.
func (r *resharded) meddle(child int, pick func(*meddling) *func(), f func(inner storage.Store)) {
	m := &meddling{Store: r.kids[child].Store}
	*pick(m) = func() { f(m.Store) }
	r.kids[child].Store = m
}

func onGet(m *meddling) *func()    { return &m.get }
func onList(m *meddling) *func()   { return &m.list }
func onDelete(m *meddling) *func() { return &m.delete }

// move moves a key as the background does.
func (r *resharded) move(key string) {
	r.t.Helper()
	s := r.shard()
	unlock, err := s.turns.Lock(r.t.Context(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	defer unlock()
	if _, err := s.gather(r.t.Context(), s.migration.Load(), "", key, storage.Condition{}); err != nil {
		r.t.Error(err)
	}
}

func TestAKeyThatMovesWhileItIsReadIsFound(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	key := r.misplaced(0)
	put(t, r.store, key, "v")
	r.meddle(0, onGet, func(storage.Store) { r.move(key) }) // the new owner was asked before
	r.halted()
	if got, err := read(t, r.store, key, storage.GetOptions{}); err != nil || got != "v" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAKeyThatMovesWhileItIsListedIsListed(t *testing.T) {
	for _, opts := range []storage.ListOptions{{}, {Limit: 2}, {Limit: 1}, {Delimiter: "y"}} {
		r := newResharded(t)
		r.become(Shard{}, 1, 2)
		key := keyWith(func(key string) bool {
			return ownerOf(key, 1, 2) == 2 && ownerOf(key, 0, 1, 2) == 0
		})
		want := []string{"a", key, "zz"}
		for _, k := range want {
			put(t, r.store, k, "v")
		}
		r.meddle(2, onList, func(storage.Store) { r.move(key) }) // backend.a was read before
		r.halted()
		keys, prefixes := listAll(t, r.store, opts)
		if got := append(keys, prefixes...); !slices.Equal(got, want) {
			t.Errorf("%+v: listed %q, want %q", opts, got, want)
		}
	}
}

// keyWith returns a key between "b" and "z" that suits.
func keyWith(suits func(string) bool) string {
	for i := 0; ; i++ {
		if key := "k" + string(rune('a'+i%20)) + string(rune('a'+i/20)); suits(key) {
			return key
		}
	}
}

func ownerOf(key string, shards ...int) int {
	var refs []string
	for _, i := range shards {
		refs = append(refs, names[i])
	}
	return shards[newRendezvous(refs, []float64{1, 1, 1}[:len(refs)]).owner(key)]
}

func TestAMoveHasTheKeysTurn(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	key := r.misplaced(0)
	put(t, r.store, key, "v")
	built := make(chan struct{}) // the move may begin before
	r.meddle(0, onDelete, func(storage.Store) {
		<-built
		if r.shard().turns.Interested(key) != 1 {
			t.Error("others may write to the key while it moves")
		}
	})
	r.become(Shard{}, 0, 1, 2)
	close(built)
	r.settle()
	r.check(map[string]string{key: "v"})
}
