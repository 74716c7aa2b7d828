package routing

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// givenUp is a write whose caller gives up while held have its value in their
// hands. They keep it until release, or until the policy ends the write.
func givenUp(t testing.TB, held []*switched, value string, release <-chan struct{}, write func(context.Context) error) error {
	var entered sync.WaitGroup
	entered.Add(len(held))
	for _, s := range held {
		s.holdPut(value, entered.Done, release)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		entered.Wait()
		giveUp()
	}()
	return write(ctx)
}

// lateTo puts "late".
func lateTo(p storage.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := p.Put(ctx, "k", strings.NewReader("late"), storage.PutOptions{})
		return err
	}
}

// A write whose caller gave up was still on its way to all replicas. The delete
// that followed found nothing, was acknowledged without a tombstone, and the
// value appeared.
func TestADeleteIsNotOvertakenByAWriteThatWasGivenUp(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	release := make(chan struct{})
	err := givenUp(t, all, "late", release, lateTo(p))
	if wantCode(t, err, storage.CodeCanceled); !storage.AsError(err).OutcomeUnknown {
		t.Errorf("the outcome of a write that is under way is known: %v", err)
	}
	if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	close(release)
	wantHeld(t, all, "k", "†", "†", "†")
}

// A delete whose caller gave up landed between the look of a put and its commit.
// The put said that it replaced an object which others had seen deleted.
func TestWhatWasThereIsNotClaimedWhileAnEarlierWriteMayLand(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	release := make(chan struct{})
	err := givenUp(t, all, "", release, func(ctx context.Context) error { // a tombstone is empty
		_, err := p.Delete(ctx, "k", storage.DeleteOptions{})
		return err
	})
	if err == nil || !storage.AsError(err).OutcomeUnknown {
		t.Fatalf("a delete that is under way: %v", err)
	}
	res, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
	if err != nil || res.Created != storage.Unknown {
		t.Errorf("created: %v, %v", res.Created, err)
	}
	close(release)
	wantHeld(t, all, "k", "new", "new", "new")
}

// A conditional write ends what was given up before it decides.
func TestAConditionIsNotDecidedUnderAWriteThatWasGivenUp(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	old := put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	never := make(chan struct{})
	if err := givenUp(t, all, "late", never, lateTo(p)); err == nil {
		t.Fatal("it was acknowledged")
	}
	a := &p.(replicatedStore).engine.abandoned
	a.mu.Lock()
	late := a.keys["k"][0]
	a.mu.Unlock()
	if _, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{If: storage.IfETag(old.ETag)}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-late.over:
	default:
		t.Error("what was given up is still on its way")
	}
	close(never)
	wantHeld(t, all, "k", "new", "new", "new")
}

// A write that was given up had reached one replica. While a conditional write
// that had not seen it was being decided, a Strong read found it, gave it to a
// second replica and returned it: a version that the condition ruled out.
func TestAReadDoesNotMakeStableWhatAConditionHasNotSeen(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	old := put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	never := make(chan struct{})
	if err := givenUp(t, all[:2], "late", never, lateTo(p)); err == nil {
		t.Fatal("it was acknowledged")
	}
	eventually(t, "the third replica has it", func() bool { return heldBy(t, all, "k")[2] == "late" })

	all[2].fail(storage.CodeUnavailable)
	deciding, decide := make(chan struct{}), make(chan struct{})
	all[0].holdPut("new", func() { close(deciding) }, decide)
	var decided, seen sync.WaitGroup
	decided.Go(func() {
		if _, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{If: storage.IfETag(old.ETag)}); err != nil {
			t.Error(err)
		}
	})
	<-deciding
	all[2].err.Store(nil)
	all[0].fail(storage.CodeUnavailable)
	asked := all[2].calls.Load()
	seen.Go(func() {
		got, err := read(t, p, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong})
		if err != nil || got != "new" {
			t.Errorf("read %q, %v", got, err)
		}
	})
	eventually(t, "the read has found it", func() bool { return all[2].calls.Load() > asked })
	all[0].err.Store(nil)
	close(decide)
	decided.Wait()
	seen.Wait()
}
