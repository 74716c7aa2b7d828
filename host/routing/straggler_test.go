package routing

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// unconditional is a replica that takes versions in any order.
type unconditional struct{ storage.Store }

func (u unconditional) Capabilities() storage.Capabilities {
	caps := u.Store.Capabilities()
	caps.ConditionalPut = false
	return caps
}

// hookedTrio is a redundant policy over three hooked replicas, of which the first
// may be another store.
func hookedTrio(t testing.TB, first storage.Store) (storage.Store, Env, []*hooked) {
	env := testEnv(t)
	var all []*hooked
	var children []Child
	for i, name := range names {
		h := &hooked{Store: memory(t)}
		if i == 0 && first != nil {
			h.Store = first
		}
		all, children = append(all, h), append(children, h.child(name))
	}
	return build(t, Redundant{Replicas: names}, env, children...), env, all
}

func (h *hooked) holds(t testing.TB, key string) string {
	t.Helper()
	value, err := read(t, h.Store, key, storage.GetOptions{})
	if err != nil && storage.CodeOf(err) != storage.CodeNotFound {
		t.Fatal(err)
	}
	return value
}

// The look of a straggler was slow. Its write came after a later one, to a replica
// that cannot refuse an old version.
func TestAStragglerDoesNotReplaceALaterVersionWithoutConditions(t *testing.T) {
	p, _, all := hookedTrio(t, unconditional{memory(t)})
	var looks atomic.Int64
	hold := newGate()
	all[0].hookAfter(func(ctx context.Context, op event.Op, _ string, err error) error {
		if op == event.OpStat && looks.Add(1) <= 2 { // before the write, and for it
			if cut := hold.pass(ctx); cut != nil {
				return cut
			}
		}
		return err
	})
	put(t, p, "k", "old")
	eventually(t, "the straggler looks", func() bool { return looks.Load() == 2 })
	all[0].unhook()
	put(t, p, "k", "new")
	close(hold.open)
	if err := p.Close(t.Context()); err != nil { // waits for what is under way
		t.Fatal(err)
	}
	if got := all[0].holds(t, "k"); got == "old" {
		t.Errorf("it holds %q", got)
	}
}

// A replica had stored the write and said that its condition failed by then; when
// it was asked, it was down.
func TestAWriteThatMayBeAtOneReplicaIsOfUnknownOutcome(t *testing.T) {
	p, _, all := hookedTrio(t, nil)
	var down atomic.Bool
	all[0].hookAfter(func(_ context.Context, op event.Op, _ string, err error) error {
		switch {
		case down.Load():
			return storage.Errorf(storage.CodeUnavailable, "down")
		case op == event.OpPut && err == nil:
			down.Store(true)
			return triedTwice()
		default:
			return err
		}
	})
	for _, h := range all[1:] {
		h.hook(func(_ context.Context, op event.Op, _ string) error {
			if op == event.OpPut {
				return storage.Errorf(storage.CodeUnavailable, "no writes")
			}
			return nil
		})
	}
	_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	if wantCode(t, err, storage.CodeUnavailable); !storage.AsError(err).OutcomeUnknown {
		t.Errorf("the outcome is told as known: %v", err)
	}
	for _, b := range p.(Reporter).Backlogs() {
		if b.Entries != 1 {
			t.Errorf("%s owes %d keys", b.Target, b.Entries)
		}
	}
}

// A version was at one replica only, which was away while the debts of the others
// were looked at: they had nothing to be given, and were forgotten.
func TestADebtStaysWhileWhoMayHaveTheVersionIsAway(t *testing.T) {
	p, env, all := hookedTrio(t, nil)
	put(t, p, "k", "old")
	for _, h := range all {
		eventually(t, "all have it", func() bool { return h.holds(t, "k") == "old" })
	}
	down := failing(storage.CodeUnavailable)
	readOnly := func(ctx context.Context, op event.Op, key string) error {
		if op == event.OpPut {
			return down(ctx, op, key)
		}
		return nil
	}
	all[0].hook(readOnly)
	all[1].hook(readOnly)
	all[2].hookAfter(func(_ context.Context, op event.Op, key string, err error) error {
		if op == event.OpPut && err == nil {
			all[2].hook(down)
		}
		return err
	})
	if _, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{}); err == nil {
		t.Fatal("it was acknowledged")
	}
	log := env.Journal.Log("p")
	before := all[1].stats.Load()
	all[0].unhook()
	all[1].unhook()
	eventually(t, "the debts were looked at", func() bool { return all[1].stats.Load() > before+4 })
	if _, owes := log.Entry(names[0], "k"); !owes {
		t.Error("the debt is settled, and what is owed was not seen")
	}
	all[0].hook(down)
	all[2].unhook()
	eventually(t, "the second has it", func() bool { return all[1].holds(t, "k") == "new" })
	all[0].unhook()
	eventually(t, "the first has it", func() bool { return all[0].holds(t, "k") == "new" })
}
