package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func placement() RoundRobin { return RoundRobin{Backends: names, Mode: RoundRobinPlacement} }

func TestNewKeysTakeTurnsByWeight(t *testing.T) {
	o := placement()
	o.Weights = map[string]int{"b": 3}
	h := newPlacedHost(t, o)
	got := [3]int{}
	for i := range 50 {
		key := fmt.Sprint(i)
		h.mustPut(key, "v", "")
		got[h.kids.holder(t, key)]++
	}
	if got != [3]int{10, 30, 10} {
		t.Errorf("the children have %d objects", got)
	}
}

func TestAnObjectStaysWhereItIs(t *testing.T) {
	h := newPlacedHost(t, placement())
	for i := range 9 {
		key := fmt.Sprint(i)
		h.mustPut(key, "v", "")
		was := h.kids.holder(t, key)
		if i%2 == 0 {
			h.restart() // what was remembered is forgotten
		}
		for range 2 {
			if res, err := h.put(key, "w", "", storage.Condition{}); err != nil || h.kids.holder(t, key) != was {
				t.Fatalf("%+v, %v, at %d instead of %d", res, err, h.kids.holder(t, key), was)
			}
		}
		h.reads(key, "w")
	}
}

func TestAChildThatIsDownGetsNoNewKeys(t *testing.T) {
	h := newPlacedHost(t, placement())
	h.kids[1].state(event.BreakerOpen)
	h.kids[1].fail(storage.CodeUnavailable)
	for i := range 6 {
		h.mustPut(fmt.Sprint(i), "v", "")
	}
	if h.owed() != 6 {
		t.Errorf("%d debts: what the child may have of the keys is to be removed", h.owed())
	}
	_, err := h.put("conditional", "v", "", storage.IfAbsent())
	if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), "backend.b") {
		t.Errorf("%v names nobody", err)
	}
	h.kids[1].err.Store(nil)
	h.kids[1].breaker.Store(nil)
	if _, err := h.kids[1].Store.Put(t.Context(), "3", strings.NewReader("old"), storage.PutOptions{
		Metadata: metadataFor(nil, stamp{version: 1, writer: "before"}, "", time.Time{}, false),
	}); err != nil { // it had one all the time
		t.Fatal(err)
	}
	h.reads("3", "v")
	if err := h.pay(); err != nil || h.owed() != 0 {
		t.Errorf("%d debts are left: %v", h.owed(), err)
	}
	for i := range 6 {
		h.reads(fmt.Sprint(i), "v")
		if at := h.kids.holder(t, fmt.Sprint(i)); at == 1 {
			t.Errorf("%d is at the child that was down", i)
		}
	}
}

func TestWithoutAJournalANewKeyNeedsAll(t *testing.T) {
	k := newKids(t)
	p := build(t, placement(), Env{}, k.children()...)
	put(t, p, "k", "v")
	at := k.holder(t, "k")
	down := (at + 1) % 3
	k[down].fail(storage.CodeUnavailable)
	_, err := p.Put(t.Context(), "new", strings.NewReader("v"), storage.PutOptions{})
	if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), names[down]) {
		t.Errorf("%v does not name %s", err, names[down])
	}
	put(t, p, "k", "w")
	if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Errorf("a delete where the object is: %v", err)
	}
}

func TestWhatAMissingChildMeans(t *testing.T) {
	h := newPlacedHost(t, placement())
	h.mustPut("k", "v", "")
	at := h.kids.holder(t, "k")
	levels := append(storage.AllConsistencyLevels().Levels(), storage.ConsistencyDefault)
	for _, down := range []int{at, (at + 1) % 3} {
		for _, remembered := range []bool{true, false} {
			for _, level := range levels {
				for _, s := range h.kids {
					s.err.Store(nil)
				}
				h.restart()
				if remembered {
					h.reads("k", "v")
				}
				h.kids[down].fail(storage.CodeUnavailable)
				anyone := level == storage.ConsistencyDefault || level == storage.ConsistencyEventual
				got, err := read(t, h.store, "k", storage.GetOptions{Consistency: level})
				if down != at && anyone {
					if err != nil || got != "v" {
						t.Errorf("%v, remembered %v: %q, %v", level, remembered, got, err)
					}
				} else if wantCode(t, err, storage.CodeUnavailable); !strings.Contains(err.Error(), names[down]) {
					t.Errorf("%v, remembered %v: %v does not name %s", level, remembered, err, names[down])
				}
				_, err = h.store.Stat(t.Context(), "missing", storage.StatOptions{Consistency: level})
				wantCode(t, err, storage.CodeUnavailable)
			}
		}
	}
	_, err := h.store.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if page, err := h.store.List(t.Context(), storage.ListOptions{AllowPartial: true}); err != nil || !page.Partial {
		t.Errorf("%+v, %v", page, err)
	}
	h.kids[(at+1)%3].fail(storage.CodePermissionDenied)
	_, err = h.store.Stat(t.Context(), "missing", storage.StatOptions{})
	wantCode(t, err, storage.CodePermissionDenied)
}

func TestOfTwoHostsOneCreatesAKey(t *testing.T) {
	h := newPlacedHost(t, placement())
	other := h.another()
	for i := range 20 {
		key := fmt.Sprint(i)
		done := make(chan error)
		for _, host := range []*placedHost{h, other} {
			go func() {
				_, err := host.put(key, "v", "", storage.IfAbsent())
				done <- err
			}()
		}
		one, two := <-done, <-done
		if (one == nil) == (two == nil) {
			t.Fatalf("both %v and %v", one, two)
		}
		h.kids.holder(t, key)
	}
}

func TestOfTwoCopiesTheNewerCounts(t *testing.T) {
	h := newPlacedHost(t, placement())
	for i, value := range []string{"newer", "oldest", "older"} {
		if _, err := h.kids[i].Store.Put(t.Context(), "k", strings.NewReader(value), storage.PutOptions{
			Metadata: metadataFor(nil, stamp{version: storage.Version(100 - i), writer: "w"}, "", time.Time{}, false),
		}); err != nil {
			t.Fatal(err)
		}
	}
	h.reads("k", "newer")
	if h.events(event.Divergence) == 0 {
		t.Error("nobody was told")
	}
	h.restart()
	h.mustPut("k", "newest", "")
	h.has("k", "newest||")
}

func TestAVersionOfABrokenClockIsNotFollowed(t *testing.T) {
	h := newPlacedHost(t, placement())
	far := stamp{version: versionAt(versionTime(h.engine().clock.Next()).Add(2 * MaxClockSkew)), writer: "w"}
	if _, err := h.kids[0].Store.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{Metadata: metadataFor(nil, far, "", time.Time{}, false)}); err != nil {
		t.Fatal(err)
	}
	_, err := h.put("k", "w", "", storage.Condition{})
	if wantCode(t, err, storage.CodeInternal); !strings.Contains(err.Error(), "set the clock") {
		t.Error(err)
	}
}

func TestOwnersAreBoundedAndOnlyGetNewer(t *testing.T) {
	o := newOwners()
	o.recent.limit = 3
	for i := range 10 {
		o.set(fmt.Sprint(i), i, 1)
	}
	if len(o.recent.last) != 3 || o.of("6") != nowhere || o.of("7") != 7 {
		t.Errorf("%d keys are remembered", len(o.recent.last))
	}
	o.set("9", 1, 5)
	o.set("9", 2, 4) // found before
	if o.of("9") != 1 {
		t.Errorf("an older version is at %d", o.of("9"))
	}
	o.lost("9", 2)
	if o.of("9") != 1 {
		t.Error("lost where it was not")
	}
	o.lost("9", 1)
	o.set("9", 2, 4)
	if o.of("9") != nowhere {
		t.Error("an older version is remembered")
	}
	o.reset("9")
	o.set("9", 2, 4)
	if o.of("9") != 2 {
		t.Error("it is not found anew")
	}
}

func TestBadRoundRobinsAreRefused(t *testing.T) {
	_, err := RoundRobin{Backends: names, Mode: "other"}.Build("p", testEnv(t), Children(newKids(t).children()...))
	wantCode(t, err, storage.CodeInvalidArgument)
	if diags := (RoundRobin{Backends: names, Mode: RoundRobinPlacement, Weights: map[string]int{"x": 1}}).Check(func(string) []string { return nil }); !diags.HasErrors() {
		t.Error("a weight for nobody")
	}
}
