package routing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/layer"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// testEnv is an environment with a journal of its own.
func testEnv(t testing.TB) Env {
	t.Helper()
	return Env{Journal: openJournal(t, t.TempDir()), SpoolDir: t.TempDir()}
}

func openJournal(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// build builds a policy and closes it at the end of the test.
func build(t testing.TB, p Policy, env Env, all ...Child) storage.Store {
	t.Helper()
	s, err := p.Build("p", env, Children(all...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

var names = []string{"backend.a", "backend.b", "backend.c"}

// trio is a redundant policy over three replicas that can be broken.
func trio(t testing.TB, o Redundant, env Env) (storage.Store, []*switched) {
	t.Helper()
	all, children := switches(t)
	o.Replicas = names
	return build(t, o, env, children...), all
}

// heldBy is what each of the replicas has under key: a value, "†" for a
// tombstone, "" for nothing.
func heldBy(t testing.TB, all []*switched, key string) []string {
	t.Helper()
	var held []string
	for _, s := range all {
		r, err := s.Store.Get(t.Context(), key, storage.GetOptions{})
		switch {
		case errors.Is(err, storage.ErrNotFound):
			held = append(held, "")
			continue
		case err != nil:
			t.Fatal(err)
		}
		value, err := r.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if stateOf(r.Object).tombstone {
			value = []byte("†")
		}
		held = append(held, string(value))
	}
	return held
}

func wantHeld(t testing.TB, all []*switched, key string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q is held as %q", key, want), func() bool { return slices.Equal(heldBy(t, all, key), want) })
}

// eventually waits for what goes on in the background.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRedundantConformance(t *testing.T) {
	t.Parallel()
	for _, o := range []Redundant{{}, {Write: WriteOne, Read: ReadVerify}, {Write: WriteAll, Read: ReadQuorum}} {
		t.Run(fmt.Sprintf("write=%s,read=%s", o.Write, o.Read), func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{
				Open: func(t testing.TB) storage.Backend {
					s, _ := trio(t, o, testEnv(t))
					return layer.Reserved()(s)
				},
				Options: storagetest.Options{
					Alone: true, KeepOpen: true,
					Skip: map[string]string{"metadata/four-kib-are-accepted": "callers have 2 KiB"},
				},
			})
		})
	}
}

func TestAWriteIsAtAllReplicas(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "v")
	wantHeld(t, all, "k", "v", "v", "v")
	if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, all, "k", "†", "†", "†")
	_, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)
	if page, err := p.List(t.Context(), storage.ListOptions{}); err != nil || len(page.Objects) != 0 {
		t.Errorf("a tombstone is listed: %+v, %v", page.Objects, err)
	}
	if page, err := p.List(t.Context(), storage.ListOptions{Delimiter: "k"}); err != nil || len(page.Prefixes) != 0 {
		t.Errorf("the prefix of a tombstone is listed: %q, %v", page.Prefixes, err)
	}
}

func TestWritesNeedAsManyReplicasAsTheirConcernSays(t *testing.T) {
	for _, c := range []struct {
		write Concern
		down  int
		ok    bool
	}{{WriteOne, 2, false}, {WriteOne, 0, true}, {WriteQuorum, 1, true}, {WriteQuorum, 2, false}, {WriteAll, 0, true}, {WriteAll, 1, false}} {
		t.Run(fmt.Sprintf("%s with %d down", c.write, c.down), func(t *testing.T) {
			p, all := trio(t, Redundant{Write: c.write}, testEnv(t))
			for _, s := range all[:c.down] {
				s.fail(storage.CodeUnavailable)
			}
			_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, storage.CodeUnavailable)
			for _, name := range names[:c.down] {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not tell of %s: %v", name, err)
				}
			}
		})
	}
}

func TestAMissedWriteIsReplayedWhenTheReplicaIsBack(t *testing.T) {
	env := testEnv(t)
	p, all := trio(t, Redundant{}, env)
	put(t, p, "kept", "old")
	put(t, p, "gone", "old")
	wantHeld(t, all, "gone", "old", "old", "old")
	all[1].fail(storage.CodeUnavailable)
	put(t, p, "kept", "new")
	if _, err := p.Delete(t.Context(), "gone", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := p.(Reporter).Backlogs()[1]; got.Entries != 2 {
		t.Errorf("the backlog of the replica that was away is %+v", got)
	}
	all[1].err.Store(nil)
	wantHeld(t, all, "kept", "new", "new", "new")
	wantHeld(t, all, "gone", "†", "†", "†")
	eventually(t, "the journal is empty", func() bool {
		return !slices.ContainsFunc(p.(Reporter).Backlogs(), func(b journal.Backlog) bool { return b.Entries > 0 })
	})
}

// What a replica lacks is durable before the write is acknowledged: if the disk
// takes nothing more, it is not acknowledged.
func TestAWriteThatAReplicaLacksNeedsTheJournal(t *testing.T) {
	env := Env{SpoolDir: t.TempDir()}
	var err error
	if env.Journal, err = journal.Open(t.TempDir(), journal.Options{}); err != nil {
		t.Fatal(err)
	}
	p, all := trio(t, Redundant{}, env)
	put(t, p, "k", "old")
	if err := env.Journal.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, p, "k", "all have it")
	all[1].fail(storage.CodeUnavailable)
	_, err = p.Put(t.Context(), "k", strings.NewReader("two have it"), storage.PutOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); !e.OutcomeUnknown || !strings.Contains(err.Error(), "journal") {
		t.Errorf("the error is %v (unknown %v)", err, e.OutcomeUnknown)
	}
	if _, err = p.Delete(t.Context(), "k", storage.DeleteOptions{}); err == nil {
		t.Error("the delete is acknowledged")
	}
}

func TestHintsOutliveTheHost(t *testing.T) {
	dir := t.TempDir()
	var all []*switched
	var children []Child
	for _, name := range names {
		s := newSwitched(t)
		all, children = append(all, s), append(children, s.child(name))
	}
	run := func(do func(p storage.Store)) {
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Redundant{Replicas: names}.Build("p", Env{Journal: j}, Children(children...))
		if err != nil {
			t.Fatal(err)
		}
		do(p)
		if err := errors.Join(p.Close(t.Context()), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	run(func(p storage.Store) {
		put(t, p, "k", "old")
		wantHeld(t, all, "k", "old", "old", "old")
		all[0].fail(storage.CodeUnavailable)
		put(t, p, "k", "new")
	})
	all[0].err.Store(nil)
	if held := heldBy(t, all, "k"); held[0] != "old" {
		t.Fatalf("held as %q", held)
	}
	run(func(p storage.Store) {
		// The first replica answers again, and lacks an acknowledged write.
		if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "new" {
			t.Errorf("read %q, %v", got, err)
		}
		wantHeld(t, all, "k", "new", "new", "new")
	})
}

func TestReadsPassOverAReplicaThatLacksAnAcknowledgedWrite(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	all[0].failWrites(storage.CodeUnavailable)
	put(t, p, "k", "new")
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "new" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestNotFoundNeedsAQuorum(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	all[0].fail(storage.CodeUnavailable)
	_, err := p.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)
	all[1].fail(storage.CodeUnavailable)
	_, err = p.Stat(t.Context(), "k", storage.StatOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	_, err = p.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	page, err := p.List(t.Context(), storage.ListOptions{AllowPartial: true})
	if err != nil || !page.Partial || len(page.FailedBackends) == 0 {
		t.Errorf("a partial listing: %+v, %v", page, err)
	}
}

func TestAnUnacknowledgedWriteHasAnUnknownOutcomeAndIsMadeEqual(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	all[1].failWrites(storage.CodeUnavailable)
	all[2].failWrites(storage.CodeUnavailable)
	_, err := p.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
	e := wantCode(t, err, storage.CodeUnavailable)
	if !e.OutcomeUnknown || !strings.Contains(err.Error(), "backend.a has it") {
		t.Errorf("the error is %v (unknown %v)", err, e.OutcomeUnknown)
	}
	all[1].err.Store(nil)
	all[2].err.Store(nil)
	all[1].writeErr.Store(nil)
	all[2].writeErr.Store(nil)
	wantHeld(t, all, "k", "new", "new", "new")
}

func TestAWriteThatReachedNobodyIsKnownNotToHaveHappened(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	for _, s := range all {
		s.failWrites(storage.CodeUnavailable)
	}
	_, err := p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	if e := wantCode(t, err, storage.CodeUnavailable); e.OutcomeUnknown {
		t.Errorf("the outcome is unknown: %v", err)
	}
	for _, b := range p.(Reporter).Backlogs() {
		if b.Entries != 0 {
			t.Errorf("the journal remembers it: %+v", b)
		}
	}
	for _, s := range all {
		s.failWrites(storage.CodeTooLarge)
	}
	_, err = p.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
	wantCode(t, err, storage.CodeTooLarge)
}

func TestConditionsAreDecidedByTheFirstReplicaInItsNewestState(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	old := put(t, p, "k", "old")
	all[0].failWrites(storage.CodeUnavailable)
	now := put(t, p, "k", "new")
	all[0].writeErr.Store(nil) // it still has "old", and may not decide by that
	_, err := p.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != now.ETag {
		t.Errorf("the current etag is %q, want %q", e.Current, now.ETag)
	}
	if _, err := p.Put(t.Context(), "k", strings.NewReader("x"), storage.PutOptions{If: storage.IfETag(now.ETag)}); err != nil {
		t.Fatal(err)
	}
	all[0].fail(storage.CodeUnavailable)
	_, err = p.Put(t.Context(), "k", strings.NewReader("y"), storage.PutOptions{If: storage.IfExists()})
	if e := wantCode(t, err, storage.CodeUnavailable); e.OutcomeUnknown || !strings.Contains(err.Error(), "decides conditional writes") {
		t.Errorf("without the first replica: %v", err)
	}
}

func TestEtagsAreTheSameWhicheverReplicaAnswers(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	o := put(t, p, "k", "v")
	wantHeld(t, all, "k", "v", "v", "v")
	for i := range all {
		for j, s := range all {
			if s.err.Store(nil); i != j {
				s.fail(storage.CodeUnavailable)
			}
		}
		r, err := p.Get(t.Context(), "k", storage.GetOptions{IfMatch: o.ETag, Consistency: storage.ConsistencyEventual})
		if err != nil {
			t.Fatal(err)
		}
		if r.Object.ETag != o.ETag || !r.Object.ModTime.Equal(o.ModTime) {
			t.Errorf("%s shows %+v, want %+v", names[i], r.Object, o)
		}
		_ = r.Close()
	}
}

func TestAStrongReadMakesWhatItFoundStable(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	// Another host's write has reached one replica and no more.
	other, err := Redundant{Replicas: names}.Build("other", testEnv(t), Children(all[0].child(names[0]), all[1].child(names[1]), all[2].child(names[2])))
	if err != nil {
		t.Fatal(err)
	}
	all[1].failWrites(storage.CodeUnavailable)
	all[2].failWrites(storage.CodeUnavailable)
	_, err = other.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	if err := other.Close(t.Context()); err != nil { // before it can make them equal
		t.Fatal(err)
	}
	wantHeld(t, all, "k", "new", "old", "old")
	all[2].fail(storage.CodeUnavailable) // or the two that have the old version could be a quorum
	_, err = read(t, p, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong})
	if all[0].calls.Load() == 0 || err == nil {
		t.Fatalf("a read that cannot make stable what it found: %v", err)
	}
	all[1].writeErr.Store(nil)
	if got, err := read(t, p, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong}); err != nil || got != "new" {
		t.Errorf("read %q, %v", got, err)
	}
	if held := heldBy(t, all, "k"); held[1] != "new" {
		t.Errorf("after a strong read it is held as %q", held)
	}
}

func TestSessionsSeeWhatTheyHaveSeen(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	wantHeld(t, all, "k", "old", "old", "old")
	env := testEnv(t)
	other := build(t, Redundant{Replicas: names}, env, all[0].child(names[0]), all[1].child(names[1]), all[2].child(names[2]))
	all[0].failWrites(storage.CodeUnavailable)
	var session storage.Session
	if _, err := other.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{Session: &session}); err != nil {
		t.Fatal(err)
	}
	// The first replica has "old", and this host does not know better.
	var moved storage.Session
	if err := moved.Merge(session.Token()); err != nil {
		t.Fatal(err)
	}
	for _, level := range []storage.Consistency{storage.ConsistencyCausal, storage.ConsistencyReadYourWrites, storage.ConsistencyStrong} {
		if got, err := read(t, p, "k", storage.GetOptions{Consistency: level, Session: &moved}); err != nil || got != "new" {
			t.Errorf("%v: read %q, %v", level, got, err)
		}
	}
}

func TestExpiryIsThePolicysOwn(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "old")
	all[2].failWrites(storage.CodeUnavailable)
	res, err := p.Put(t.Context(), "k", strings.NewReader("short"), storage.PutOptions{TTL: 50 * time.Millisecond})
	if err != nil || res.Object.ExpiresAt.IsZero() {
		t.Fatalf("%+v, %v", res, err)
	}
	eventually(t, "it has expired", func() bool {
		_, err := p.Stat(t.Context(), "k", storage.StatOptions{})
		return err != nil
	})
	all[2].writeErr.Store(nil) // it has "old", which must not come back
	for _, level := range []storage.Consistency{storage.ConsistencyDefault, storage.ConsistencyStrong} {
		_, err := p.Stat(t.Context(), "k", storage.StatOptions{Consistency: level})
		wantCode(t, err, storage.CodeNotFound)
	}
	if page, err := p.List(t.Context(), storage.ListOptions{}); err != nil || len(page.Objects) != 0 {
		t.Errorf("listed: %+v, %v", page.Objects, err)
	}
}

func TestAnOldVersionNeverReplacesANewerOne(t *testing.T) {
	var entered sync.WaitGroup
	p, all := trio(t, Redundant{}, testEnv(t))
	put(t, p, "k", "0")
	wantHeld(t, all, "k", "0", "0", "0")
	release := make(chan struct{})
	entered.Add(1)
	all[2].holdPut("1", entered.Done, release)
	put(t, p, "k", "1") // the third is slow, and has it not yet
	entered.Wait()
	put(t, p, "k", "2")
	close(release)
	wantHeld(t, all, "k", "2", "2", "2")
}

func TestAQuorumWriteDoesNotWaitForTheSlowest(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	release := make(chan struct{})
	all[2].holdPut("v", func() {}, release)
	put(t, p, "k", "v")
	if held := heldBy(t, all, "k"); held[0] != "v" || held[1] != "v" || held[2] != "" {
		t.Errorf("held as %q", held)
	}
	close(release)
	wantHeld(t, all, "k", "v", "v", "v")
}

func TestLargeValuesAreSentToAllFromOneSpool(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	value := make([]byte, 5<<20)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	if _, err := p.Put(t.Context(), "big", io.MultiReader(bytes.NewReader(value)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, all, "big", string(value), string(value), string(value))
	body := io.MultiReader(bytes.NewReader(value[:1<<20]), errorReader{errors.New("the caller is gone")})
	if _, err := p.Put(t.Context(), "big", body, storage.PutOptions{}); err == nil || storage.AsError(err).OutcomeUnknown {
		t.Errorf("a body that breaks off: %v", err)
	}
	wantHeld(t, all, "big", string(value), string(value), string(value))
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestAReadGoesOnAtAnotherReplica(t *testing.T) {
	var told []event.FailoverInfo
	env := testEnv(t)
	env.Listener.Failover = func(i event.FailoverInfo) { told = append(told, i) }
	p, all := trio(t, Redundant{}, env)
	value := strings.Repeat("0123456789", 10_000)
	put(t, p, "k", value)
	wantHeld(t, all, "k", value, value, value)
	all[0].cutAfter.Store(40_000)
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != value {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if len(told) != 1 || told[0].From != names[0] || told[0].To != names[1] {
		t.Errorf("told of %+v", told)
	}
}
