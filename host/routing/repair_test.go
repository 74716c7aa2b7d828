package routing

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fix runs a repair to its end.
func fix(t testing.TB, p storage.Store, o RepairOptions) RepairReport {
	t.Helper()
	o.Rate = -1
	report, err := p.(Repairer).Repair(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// yesterday is the environment of a host whose deletes are old enough to be
// collected.
func yesterday(t testing.TB) Env {
	env := testEnv(t)
	env.Clock = &Clock{now: func() time.Time { return time.Now().Add(-2 * TombstoneGrace) }}
	return env
}

// gone is a policy over three replicas that all know of a deleted key.
func gone(t testing.TB, env Env) (storage.Store, []*switched) {
	p, all := trio(t, Redundant{}, env)
	put(t, p, "k", "v")
	wantHeld(t, all, "k", "v", "v", "v")
	if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, all, "k", "†", "†", "†")
	e := p.(replicatedStore).engine
	eventually(t, "nothing is owed", func() bool { return !e.recorded(e.all, "k") })
	return p, all
}

func TestTombstonesAreCollectedByTheSecondWholeScan(t *testing.T) {
	p, all := gone(t, yesterday(t))
	if r := fix(t, p, RepairOptions{}); !r.Complete || r.Collected != 0 {
		t.Errorf("no scan had passed before: %+v", r)
	}
	wantHeld(t, all, "k", "†", "†", "†")
	if r := fix(t, p, RepairOptions{DryRun: true}); r.Collected != 1 {
		t.Errorf("it would collect: %+v", r)
	}
	wantHeld(t, all, "k", "†", "†", "†")
	if r := fix(t, p, RepairOptions{}); r.Collected != 1 || r.Failed != 0 {
		t.Errorf("got %+v", r)
	}
	wantHeld(t, all, "k", "", "", "")
}

func TestYoungTombstonesAreKept(t *testing.T) {
	p, all := gone(t, testEnv(t))
	fix(t, p, RepairOptions{})
	fix(t, p, RepairOptions{})
	wantHeld(t, all, "k", "†", "†", "†")
}

func TestAScanThatIsNotWholeCollectsNothing(t *testing.T) {
	p, all := gone(t, yesterday(t))
	all[2].fail(storage.CodeUnavailable)
	if r := fix(t, p, RepairOptions{}); r.Complete {
		t.Errorf("got %+v", r)
	}
	all[2].err.Store(nil)
	fix(t, p, RepairOptions{}) // the first that passes
	all[2].fail(storage.CodeUnavailable)
	if r := fix(t, p, RepairOptions{}); r.Complete || r.Collected != 0 {
		t.Errorf("got %+v", r)
	}
	wantHeld(t, all, "k", "†", "†", "†")
}

func TestWhatTheJournalHasIsNotCollected(t *testing.T) {
	env := yesterday(t)
	p, all := gone(t, env)
	fix(t, p, RepairOptions{})
	i := env.Journal.Log("p").Begin("k", 1, "", names[1])
	fix(t, p, RepairOptions{})
	wantHeld(t, all, "k", "†", "†", "†")
	i.Done(names[1])
	fix(t, p, RepairOptions{})
	wantHeld(t, all, "k", "", "", "")
}

// undeletable is a replica that deletes whatever is there, or not at all.
type undeletable struct{ storage.Store }

func (u undeletable) Capabilities() storage.Capabilities {
	caps := u.Store.Capabilities()
	caps.ConditionalDelete = false
	return caps
}

// A tombstone that could not be collected kept a replica from becoming clean.
func TestReplicasWithoutConditionalDeletesBecomeClean(t *testing.T) {
	env := yesterday(t)
	p, all := gone(t, env)
	all[1].Store = undeletable{all[1].Store}
	fix(t, p, RepairOptions{})
	log := env.Journal.Log("p")
	if err := log.MarkDirty(names[1], "test"); err != nil {
		t.Fatal(err)
	}
	if r := fix(t, p, RepairOptions{}); r.Failed != 0 || r.Collected != 0 {
		t.Errorf("got %+v", r)
	}
	if _, dirty := log.Dirty(names[1]); dirty {
		t.Error("it is still dirty")
	}
	wantHeld(t, all, "k", "†", "†", "†")
}

// statted tells when a key is asked for.
type statted struct {
	storage.Store
	key  string
	tell func()
}

func (s statted) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if key == s.key {
		s.tell()
	}
	return s.Store.Stat(ctx, key, opts)
}

// interrupted is a repair that ends at the sixth of ten keys.
func interrupted(t testing.TB, p storage.Store, all []*switched) RepairReport {
	t.Helper()
	whole := all[1].Store
	if _, err := whole.Delete(t.Context(), "key-5", storage.DeleteOptions{}); err != nil { // so it is looked at
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all[1].Store = statted{whole, "key-5", cancel}
	report, err := p.(Repairer).Repair(ctx, RepairOptions{Rate: -1})
	if err == nil {
		t.Error("it was not interrupted")
	}
	all[1].Store = whole
	return report
}

func tenKeys(t testing.TB) (storage.Store, []*switched) {
	p, all := trio(t, Redundant{}, testEnv(t))
	for i := range 10 {
		put(t, p, fmt.Sprint("key-", i), "v")
	}
	for i := range 10 {
		wantHeld(t, all, fmt.Sprint("key-", i), "v", "v", "v")
	}
	return p, all
}

func TestARepairGoesOnWhereItWasInterrupted(t *testing.T) {
	p, all := tenKeys(t)
	first := interrupted(t, p, all)
	second := fix(t, p, RepairOptions{})
	if !second.Resumed || !second.Complete || first.Scanned+second.Scanned > 12 || second.Scanned >= 10 {
		t.Errorf("compared %d keys and then %+v", first.Scanned, second)
	}
	wantHeld(t, all, "key-5", "v", "v", "v")
	if again := fix(t, p, RepairOptions{}); again.Resumed || again.Scanned != 10 || again.Differed != 0 {
		t.Errorf("got %+v", again)
	}
}

// What was compared while a replica was away is compared again.
func TestARepairDoesNotGoOnAfterAReplicaWasAway(t *testing.T) {
	p, all := tenKeys(t)
	all[2].fail(storage.CodeUnavailable)
	interrupted(t, p, all)
	all[2].err.Store(nil)
	if r := fix(t, p, RepairOptions{}); r.Resumed || r.Scanned != 10 || !r.Complete {
		t.Errorf("got %+v", r)
	}
}

// garbling is a replica that stores something else once.
type garbling struct {
	storage.Store
	done *bool
}

func (g garbling) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if !*g.done {
		*g.done = true
		if _, err := io.Copy(io.Discard, body); err != nil {
			return storage.PutResult{}, err
		}
		body = strings.NewReader("garbage")
	}
	return g.Store.Put(ctx, key, body, opts)
}

// The hint of the write was paid by finding the version at the replica, which had
// it with other bytes.
func TestACopyThatIsNotWhatWasGivenIsReplaced(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	all[1].Store = garbling{all[1].Store, new(bool)}
	put(t, p, "k", "value")
	wantHeld(t, all, "k", "value", "value", "value")
}
