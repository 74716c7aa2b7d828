package routing

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/storetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// What the model, the checker of histories and readers of the code found, one by one.

// faultyTrio are three children with faults to come.
func faultyTrio(seed uint64) (all []*storetest.Child, children []Child) {
	for _, name := range names {
		c := storetest.NewChild(storetest.ChildOptions{Name: name, Seed: seed})
		all, children = append(all, c), append(children, Child{Name: name, Store: storage.Complete(c.Connect())})
	}
	return all, children
}

func TestADeleteIsNotUndoneByAPutThatReachedNobodyYet(t *testing.T) {
	for seed := range uint64(20) {
		all, children := faultyTrio(seed)
		all[0].Inject(storetest.Fault{Kind: storetest.Late, Op: "put"})
		all[1].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "put"})
		all[2].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "put"})
		s := build(t, Redundant{Replicas: names}, testEnv(t), children...)
		if _, err := s.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{}); !storage.AsError(err).OutcomeUnknown {
			t.Fatalf("got %v", err)
		}
		if _, err := s.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			c.Heal()
		}
		if value, err := read(t, s, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong}); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("seed %d: the deleted object is back: %q, %v", seed, value, err)
		}
	}
}

func TestAListingIsPartialIfACommonPrefixCouldNotBeLookedInto(t *testing.T) {
	all, children := faultyTrio(1)
	s := build(t, Redundant{Replicas: names, Write: WriteOne}, testEnv(t), children...)
	put(t, s, "a/b", "v")
	for _, c := range all {
		c.Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "list", Key: "a/"})
	}
	page, err := s.List(t.Context(), storage.ListOptions{Delimiter: "/", AllowPartial: true})
	if err != nil || !page.Partial || len(page.FailedBackends) != len(names) {
		t.Errorf("got %+v, %v", page, err)
	}
}

// oneDelete is a batch.
func oneDelete(t *testing.T, s storage.Store, key string) storage.BatchResult {
	t.Helper()
	results, err := s.Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchDelete, Key: key}}, storage.BatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestABatchThatIsDoneAgainDoesNotDenyWhatTheFirstTimeMayHaveDone(t *testing.T) {
	all, children := faultyTrio(1)
	s := build(t, FirstAvailable{Order: names, Writes: "failover"}, testEnv(t), children...)
	put(t, s, "k", "v")
	all[0].Inject(storetest.Fault{Kind: storetest.LoseAnswer, Op: "delete"})
	if r := oneDelete(t, s, "k"); r.Err != nil || r.Existed != storage.Unknown {
		t.Errorf("it existed: %v, %v", r.Existed, r.Err)
	}

	all[0].Inject(storetest.Fault{Kind: storetest.LoseAnswer, Op: "delete"})
	for _, c := range all {
		c.Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "delete"})
	}
	if r := oneDelete(t, s, "k"); !storage.AsError(r.Err).OutcomeUnknown {
		t.Errorf("got %v", r.Err)
	}
}

func TestAPutDoesNotFailOnACopyThatCountsNoMore(t *testing.T) {
	all, children := faultyTrio(1)
	s := build(t, Custom{Place: "size > 2 ? backend.a : backend.b"}, testEnv(t), children...)
	put(t, s, "k", "long")
	all[0].Stop()
	o := put(t, s, "k", "b")
	all[0].Restart()
	all[0].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "stat"})
	_, err := s.Put(t.Context(), "k", strings.NewReader("long again"), storage.PutOptions{If: storage.IfETag(o.ETag)})
	if errors.Is(err, storage.ErrFailedPrecondition) {
		t.Errorf("the object has the etag that was asked for; got %v", err)
	}
}

func TestAListingShowsNoPrefixOfCopiesThatCountNoMore(t *testing.T) {
	all, children := faultyTrio(1)
	s := build(t, Custom{Place: "size > 2 ? backend.a : backend.b"}, testEnv(t), children...)
	put(t, s, "a/b", "long")
	for range 100 { // the old copy is not removed for a while
		all[0].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "delete"})
	}
	if _, err := s.Put(t.Context(), "a/b", strings.NewReader("b"), storage.PutOptions{TTL: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new copy has expired", func() bool { return len(all[1].Objects()) == 0 })
	page, err := s.List(t.Context(), storage.ListOptions{Delimiter: "/"})
	if err != nil || len(page.Prefixes) > 0 {
		t.Errorf("got %q, %v", page.Prefixes, err)
	}
}

// copyLost is a child that copies, and whose answer does not arrive.
type copyLost struct {
	storage.Store
	then func()
}

func (c copyLost) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if _, err := c.Store.Copy(ctx, src, dst, opts); err != nil {
		return storage.PutResult{}, err
	}
	c.then()
	err := storage.Errorf(storage.CodeUnavailable, "the answer is lost")
	err.OutcomeUnknown = true
	return storage.PutResult{}, err
}

// The primary had copied, but its answer was lost. The copy was tried once more
// through the host, which failed for certain, and so the whole was told as one
// that has not happened; or it succeeded, and said that it replaced an object.
func TestACopyDoesNotDenyItsFirstAttempt(t *testing.T) {
	for _, again := range []bool{false, true} {
		l := newLadder(t)
		l.put("src", "v")
		primary := l.all[0]
		primary.Store = copyLost{primary.Store, func() {
			if !again {
				primary.failWrites(storage.CodePermissionDenied)
			}
		}}
		res, err := l.store.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
		if again && (err != nil || res.Created != storage.Unknown) {
			t.Errorf("created: %v, %v", res.Created, err)
		}
		if !again && (err == nil || !storage.AsError(err).OutcomeUnknown) {
			t.Errorf("the outcome is told as known: %v", err)
		}
	}
}

// twice is a child behind a layer that tries again: its first conditional write
// was carried out, and the second found that its condition failed.
type twice struct {
	storage.Store
	done bool
}

func (s *twice) again() error {
	s.done = true
	return triedTwice()
}

func triedTwice() error {
	err := storage.Errorf(storage.CodeFailedPrecondition, "the etag is another by now")
	err.OutcomeUnknown = true
	return err
}

func (s *twice) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	d, err := s.Store.Delete(ctx, key, opts)
	if err == nil && !s.done && !opts.If.IsNone() {
		err = s.again()
	}
	return d, err
}

func (s *twice) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	res, err := s.Store.Put(ctx, key, body, opts)
	if err == nil && !s.done && !opts.If.IsNone() {
		err = s.again()
	}
	return res, err
}

// The host had deleted the old copy of a key that moved, and took it for the work
// of another host: it deleted the new copy, too.
func TestAMoveDoesNotTakeItsOwnDeleteForAnothers(t *testing.T) {
	r := newResharded(t)
	r.become(Shard{}, 0, 1)
	key := r.misplaced(0)
	put(t, r.store, key, "v")
	r.kids[0].Store = &twice{Store: r.kids[0].Store}
	r.become(Shard{}, 0, 1, 2)
	r.settle()
	r.check(map[string]string{key: "v"})
}

func TestAConditionalMoveThatWasTriedTwiceIsOfUnknownOutcome(t *testing.T) {
	kids := newKids(t)
	p := build(t, Custom{Place: "size > 3 ? backend.b : backend.a"}, testEnv(t), kids.children()...)
	old := put(t, p, "k", "old")
	kids[1].Store = &twice{Store: kids[1].Store}
	_, err := p.Put(t.Context(), "k", strings.NewReader("newer"), storage.PutOptions{If: storage.IfETag(old.ETag)})
	if err == nil || !storage.AsError(err).OutcomeUnknown {
		t.Errorf("got %v", err)
	}
	if got, err := read(t, p, "k", storage.GetOptions{}); err != nil || got != "newer" {
		t.Errorf("read %q, %v", got, err)
	}
}
