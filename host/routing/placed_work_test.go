package routing

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestDebtsArePaidInTheBackground(t *testing.T) {
	k := newKids(t)
	paid := make(chan event.PolicyInfo, 1)
	env := testEnv(t)
	env.Listener = event.Listener{Policy: func(i event.PolicyInfo) {
		if i.Event == event.Replayed {
			paid <- i
		}
	}}
	p := build(t, byType(), env, k.children()...)
	h := &placedHost{t: t, store: p, kids: k}
	h.mustPut("k", "1", "a")
	k[0].failWrites(storage.CodeUnavailable)
	h.mustPut("k", "2", "b")
	h.has("k", "1|2|")
	k[0].writeErr.Store(nil)
	if i := <-paid; i.Child != "backend.a" || i.Key != "k" || i.Policy != "p" {
		t.Errorf("told of %+v", i)
	}
	h.has("k", "|2|")
}

func TestAChildThatOwesTooMuchIsScanned(t *testing.T) {
	h := newPlacedHost(t, byType())
	for i := range 20 {
		h.mustPut(fmt.Sprint(i), "1", "a")
	}
	h.kids[0].failWrites(storage.CodeUnavailable)
	for i := range 10 {
		h.mustPut(fmt.Sprint(i), "2", "b")
	}
	if err := h.engine().debts.log.MarkDirty("backend.a", "a test says so"); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if h.owed() != 0 {
		t.Fatal("it is known what is owed")
	}
	for i := range 20 {
		h.reads(fmt.Sprint(i), map[bool]string{true: "2", false: "1"}[i < 10])
	}
	h.kids[1].fail(storage.CodeUnavailable) // who may have a newer copy must answer
	_, err := read(t, h.store, "15", storage.GetOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	h.kids[1].err.Store(nil)
	h.kids[0].writeErr.Store(nil)
	if err := h.pay(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		h.has(fmt.Sprint(i), map[bool]string{true: "|2|", false: "1||"}[i < 10])
	}
	if _, dirty := h.engine().debts.log.Dirty("backend.a"); dirty {
		t.Error("it is still to be scanned")
	}
}

func TestADebtIsNotPaidWithWhatIsNewer(t *testing.T) {
	h := newPlacedHost(t, byType())
	other := h.another()
	h.mustPut("k", "1", "a")
	h.kids[0].failWrites(storage.CodeUnavailable)
	h.mustPut("k", "2", "b")
	h.kids[0].writeErr.Store(nil)
	other.mustPut("k", "3", "a")
	h.reads("k", "3")
	if err := h.pay(); err != nil || h.owed() != 0 {
		t.Fatal(h.owed(), err)
	}
	h.has("k", "3||")
}

func TestAnObjectThatMovesWhileItIsListedIsListed(t *testing.T) {
	h := newPlacedHost(t, byType())
	for _, key := range []string{"a", "k", "z"} {
		h.mustPut(key, "1", "c")
	}
	for _, opts := range []storage.ListOptions{{}, {Limit: 1}, {Limit: 2}} {
		h.mustPut("k", "1", "c")
		was := h.kids[2].Store
		h.kids[2].Store = &meddling{Store: was, list: func() { h.mustPut("k", "2", "b") }} // backend.b was read before
		keys, _ := listAll(t, h.store, opts)
		if !slices.Equal(keys, []string{"a", "k", "z"}) {
			t.Errorf("%+v: listed %q", opts, keys)
		}
		h.kids[2].Store = was
	}
}

func TestAPageThatMeetsTooManyMovesFails(t *testing.T) {
	var m moving
	_, err := listMoving(t.Context(), "p", &m, storage.ListOptions{Limit: 10}, func() (storage.Page, error) {
		for i := range maxMoves + 1 {
			m.begin(fmt.Sprint(i))()
		}
		return storage.Page{}, nil
	}, nil)
	wantCode(t, err, storage.CodeUnavailable)
	if len(m.keys)+len(m.watchers) != 0 {
		t.Error("moves are remembered that have ended")
	}
}

func TestAPageThatLacksWhatMovedNamesWhoFailed(t *testing.T) {
	var m moving
	page, err := listMoving(t.Context(), "p", &m, storage.ListOptions{Limit: 10, AllowPartial: true}, func() (storage.Page, error) {
		m.begin("k")()
		return storage.Page{}, nil
	}, func(context.Context, string, storage.StatOptions) (storage.Object, error) {
		return storage.Object{}, storage.Errorf(storage.CodeUnavailable, "nobody knows")
	})
	if err != nil || !page.Partial || !slices.Equal(page.FailedBackends, []string{"p"}) {
		t.Errorf("got %+v, %v", page, err)
	}
}

// Writers of their own keys go on while children fail and the host restarts, and
// objects move with nearly every put.
func TestNoObjectIsLostOrBackWhilePlacesFail(t *testing.T) {
	for name, policy := range map[string]Policy{"custom": oddAndEven(), "round_robin": placement()} {
		t.Run(name, func(t *testing.T) {
			h := newPlacedHost(t, policy)
			models := make([]map[string]possible, 4)
			for w := range models {
				models[w] = map[string]possible{}
			}
			for round := range 10 {
				if round%2 == 1 {
					h.kids[round%3].fail(storage.CodeUnavailable)
				}
				if round%4 == 2 {
					h.kids[round%3].failWrites(storage.CodeUnavailable)
				}
				var wg sync.WaitGroup
				for w, model := range models {
					wg.Go(func() { h.work(model, w, round) })
				}
				if round%3 == 0 {
					wg.Go(func() { _ = h.pay() }) // of a child that is down it fails
				}
				wg.Wait()
				for _, s := range h.kids {
					s.err.Store(nil)
					s.writeErr.Store(nil)
				}
				h.restart()
			}
			if err := h.pay(); err != nil || h.owed() > 0 {
				t.Fatalf("%d debts are left: %v", h.owed(), err)
			}
			var want []string
			for _, model := range models {
				for _, key := range slices.Sorted(maps.Keys(model)) {
					h.kids.holder(t, key)
					got, err := read(t, h.store, key, storage.GetOptions{})
					if err != nil && storage.CodeOf(err) != storage.CodeNotFound || !slices.Contains(model[key], got) {
						t.Errorf("%q is %q, %v; want one of %q", key, got, err, model[key])
					}
					if got != "" {
						want = append(want, key)
					}
				}
			}
			slices.Sort(want)
			if keys, _ := listAll(t, h.store, storage.ListOptions{Limit: 5}); !slices.Equal(keys, want) {
				t.Errorf("listed %q, want %q", keys, want)
			}
		})
	}
}

// possible are the values that a key may have, "" for none.
type possible []string

func (h *placedHost) work(model map[string]possible, worker, round int) {
	rng := rand.New(rand.NewPCG(uint64(worker), uint64(round)))
	ctx := context.WithoutCancel(h.t.Context())
	for n := range 60 {
		key := fmt.Sprintf("w%d/%d", worker, rng.IntN(8))
		if model[key] == nil {
			model[key] = possible{""}
		}
		value := fmt.Sprintf("%d-%d-%d", worker, round, n) + strings.Repeat("x", rng.IntN(4))
		var err error
		switch rng.IntN(6) {
		case 0, 1:
			_, err = h.store.Put(ctx, key, strings.NewReader(value), storage.PutOptions{})
			h.wrote(model, key, value, err)
		case 2:
			_, err = h.store.Put(ctx, key, strings.NewReader(value), storage.PutOptions{If: storage.IfAbsent()})
			if err != nil && storage.CodeOf(err) == storage.CodeFailedPrecondition {
				if len(model[key]) == 1 && model[key][0] == "" {
					h.t.Errorf("%q is absent, and yet %v", key, err)
				}
				continue
			}
			if err == nil && !slices.Contains(model[key], "") {
				h.t.Errorf("%q was created though it is one of %q", key, model[key])
			}
			h.wrote(model, key, value, err)
		case 3:
			_, err = h.store.Delete(ctx, key, storage.DeleteOptions{})
			h.wrote(model, key, "", err)
		default:
			var got string
			if got, err = read(h.t, h.store, key, storage.GetOptions{}); err != nil && storage.CodeOf(err) == storage.CodeNotFound {
				err = nil
			}
			if err == nil && !slices.Contains(model[key], got) {
				h.t.Errorf("%q is %q, want one of %q", key, got, model[key])
			}
			if err == nil {
				model[key] = possible{got}
			}
		}
		if err != nil && storage.CodeOf(err) != storage.CodeUnavailable {
			h.t.Errorf("%q: %v", key, err)
		}
	}
}

func (h *placedHost) wrote(model map[string]possible, key, value string, err error) {
	switch {
	case err == nil:
		model[key] = possible{value}
	case storage.AsError(err).OutcomeUnknown:
		model[key] = append(slices.Clone(model[key]), value)
	}
}
