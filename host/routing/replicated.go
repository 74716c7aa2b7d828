package routing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/internal/turn"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// replicated keeps copies of each key at several children, the replicas.
//
// Every copy carries a stamp, and a copy is only ever replaced by one with a
// greater stamp, on the condition of the etag that was seen. So writes, hints
// and repairs that arrive late, twice or in another order end in the same
// state: each replica holds the newest version it was ever given.
//
// A write first asks as many replicas as overlap with every acknowledged write
// for the newest stamp, takes a greater one, and gives it to all. Deletes write
// tombstones. Writes of one key take turns within a host; a conditional write
// is decided by the first replica's own etag.
//
// It is a Backend; storage.Complete makes the rest of a Store of it.
type replicated struct {
	name   string
	kind   string
	env    Env
	writer string
	// all are the replicas in the order of the configuration.
	all []*replica
	// plan says which replicas hold a key and how many must answer.
	plan   func(op event.Op, key string) (copySet, error)
	log    *journal.Log
	keys   turn.Keys
	heal   healer
	doubts doubts
	// straggling counts deliveries that go on after their write returned.
	straggling atomic.Int64
	abandoned  abandoned
	repairing  sync.Mutex // held by the one repair that runs

	life context.Context //nolint:containedctx // that of the goroutines, from Build to Close
	end  context.CancelFunc
	mu   sync.Mutex // guards closed, and that nobody starts work after it
	// closed is set when Close begins.
	closed bool
	work   sync.WaitGroup
}

// replica is a child and where it stands.
type replica struct {
	child   Child
	index   int
	ejected atomic.Bool
}

func (r *replica) ref() string { return r.child.Name }

// unordered reports whether the replica cannot refuse an old version itself.
func (r *replica) unordered() bool { return !r.child.Store.Capabilities().ConditionalPut }

// strong is the level at which a replica is asked what it holds.
func (r *replica) strong() storage.Consistency {
	if r.child.Store.Capabilities().Consistency.Has(storage.ConsistencyStrong) {
		return storage.ConsistencyStrong
	}
	return storage.ConsistencyDefault
}

// copySet is where the copies of a key are.
type copySet struct {
	replicas []*replica // the first decides conditional writes
	start    int        // where reads begin
	write    int        // how many must have a write
	reading  Reading
}

// read is how many replicas overlap with those of every acknowledged write: as
// many must answer for a NotFound or a listing.
func (s copySet) read() int { return len(s.replicas) - s.write + 1 }

// quorum is how many replicas overlap with those of every acknowledged write and
// with any stable ones; stable is how many must have a version before it can be
// shown so that no later look at a quorum finds an older one.
func (s copySet) quorum() int { return max(s.read(), len(s.replicas)/2+1) }
func (s copySet) stable() int { return len(s.replicas) - s.quorum() + 1 }

// at returns the k-th replica in the order of reads.
func (s copySet) at(k int) *replica { return s.replicas[(s.start+k)%len(s.replicas)] }

func (s copySet) primary() *replica { return s.replicas[0] }

func (s copySet) unordered() bool { return slices.ContainsFunc(s.replicas, (*replica).unordered) }

// newReplicated returns an engine over children whose goroutines have not begun;
// see start.
func newReplicated(kind, name string, env Env, children []Child) (*replicated, error) {
	if env.Journal == nil {
		return nil, refused(name, "a %s policy needs the host's journal", kind)
	}
	var writer [8]byte
	_, _ = rand.Read(writer[:]) // never fails
	e := &replicated{
		name: name, kind: kind, env: env, writer: hex.EncodeToString(writer[:]),
		log: env.Journal.Log(name),
	}
	e.heal.init()
	for i, c := range children {
		e.all = append(e.all, &replica{child: c, index: i})
	}
	e.life, e.end = context.WithCancel(context.Background())
	return e, nil
}

// start begins the background work: replaying hints and repairing copies.
func (e *replicated) start() {
	for _, r := range e.all {
		e.background(func() { e.replay(r) })
	}
	e.background(e.healQueued)
	e.background(e.scanDirty)
}

// background runs f in a goroutine that Close waits for. It reports false, and
// does not run f, if the engine is closed.
func (e *replicated) background(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.work.Go(f)
	return true
}

// Close ends the background work. Deliveries under way are cancelled; what they
// do not achieve stays in the journal.
func (e *replicated) Close(context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	e.work.Wait()
	return nil
}

// operation returns a context that ends with ctx and with the engine, and the
// replicas of key.
func (e *replicated) begin(op event.Op, key string) (copySet, error) {
	if e.life.Err() != nil {
		return copySet{}, storage.Errorf(storage.CodeUnavailable, "policy %q is closed", e.name)
	}
	return e.plan(op, key)
}

// Capabilities are those that all replicas have, with what the policy itself
// brings: expiry and every level of consistency. Conditions are decided by the
// first replica.
func (e *replicated) Capabilities() storage.Capabilities {
	first := e.all[0].child.Store.Capabilities()
	caps := first
	for _, r := range e.all[1:] {
		caps = caps.Intersect(r.child.Store.Capabilities())
	}
	return storage.Capabilities{
		ConditionalPut: first.ConditionalPut, ConditionalDelete: first.ConditionalPut, TTL: true, HealthCheck: true,
		Durable: caps.Durable, MaxValueSize: caps.MaxValueSize, Consistency: storage.AllConsistencyLevels(),
	}
}

// CheckHealth returns nil if reads and writes could be served.
func (e *replicated) CheckHealth(ctx context.Context) error {
	set, err := e.begin(event.OpHealth, "")
	if err != nil {
		return err
	}
	var failures []error
	for _, r := range set.replicas {
		if err := r.child.Store.CheckHealth(ctx); err != nil {
			failures = append(failures, err)
		}
	}
	if len(set.replicas)-len(failures) >= max(set.read(), set.write) {
		return nil
	}
	return storage.Errorf(storage.CodeUnavailable, "policy %q: %d of %d replicas are down: %w", e.name, len(failures), len(set.replicas), errors.Join(failures...))
}

// Backlogs implements [Reporter].
func (e *replicated) Backlogs() []journal.Backlog {
	all := make([]journal.Backlog, 0, len(e.all))
	for _, r := range e.all {
		all = append(all, e.log.Backlog(r.ref()))
	}
	return all
}

// usable reports whether a replica is worth asking first, and tells when that
// changes.
func (e *replicated) usable(r *replica) bool {
	open := r.child.state().State == event.BreakerOpen
	if r.ejected.Load() != open && r.ejected.CompareAndSwap(!open, open) {
		what := event.Readmitted
		if open {
			what = event.Ejected
		}
		e.tell(what, r, "", nil)
	}
	return !open
}

func (e *replicated) tell(what event.PolicyEvent, r *replica, key string, err error) {
	info := event.PolicyInfo{Policy: e.name, Event: what, Key: key, Err: err}
	if r != nil {
		info.Child = r.ref()
	}
	e.env.Listener.Policy(info)
}

// tooFew is the error of an operation that not enough replicas answered.
func (e *replicated) tooFew(what string, set copySet, needed int, outcomes []string, failures []error) *storage.Error {
	err := storage.Errorf(storage.CodeUnavailable, "policy %q: %s; %d of %d replicas are needed: %s",
		e.name, what, needed, len(set.replicas), strings.Join(outcomes, "; "))
	err.Err = &causes{text: err.Err.Error(), all: failures}
	for _, f := range failures {
		if after := storage.AsError(f).RetryAfter; after > 0 && (err.RetryAfter == 0 || after < err.RetryAfter) {
			err.RetryAfter = after
		}
	}
	return err
}

// causes is a text over several errors.
type causes struct {
	text string
	all  []error
}

func (c *causes) Error() string   { return c.text }
func (c *causes) Unwrap() []error { return c.all }

// common returns the code that all failures share if it is an answer rather than
// a sign of ill health, such as TooLarge.
func common(failures []error) (storage.Code, bool) {
	if len(failures) == 0 {
		return 0, false
	}
	code := storage.CodeOf(failures[0])
	same := !slices.ContainsFunc(failures, func(err error) bool { return storage.CodeOf(err) != code })
	return code, same && !code.Unhealthy() && code != storage.CodeCanceled && code != storage.CodeAborted
}

func outcome(r *replica, err error) string {
	switch {
	case err == nil:
		return r.ref() + " has it"
	case mayHaveHappened(err):
		return fmt.Sprintf("%s may have it (%v)", r.ref(), err)
	default:
		return fmt.Sprintf("%s has it not (%v)", r.ref(), err)
	}
}

// mayHaveHappened reports whether a write that failed with err may have been
// committed.
func mayHaveHappened(err error) bool {
	e := storage.AsError(err)
	return e.OutcomeUnknown || e.Code == storage.CodeDeadlineExceeded
}

// expiryOf is the time at which what is stored now for ttl disappears.
func expiryOf(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return time.UnixMilli(time.Now().Add(ttl + time.Millisecond - 1).UnixMilli())
}
