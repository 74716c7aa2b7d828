package routing

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Bounds of deliveries that go on after their write was acknowledged.
const (
	// MaxStragglers is how many there are at most in one policy; beyond it they
	// are cut short and left to the journal.
	MaxStragglers = 256
	// MaxStraggling is how long one may take.
	MaxStraggling = time.Minute
)

// maxDecisions is how often a conditional write is begun again because another
// host changed the key between the look and the write.
const maxDecisions = 8

func (e *replicated) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	set, err := e.begin(event.OpPut, key)
	if err != nil {
		return storage.PutResult{}, err
	}
	s, err := newSpool(e.env.SpoolDir, body)
	if err != nil {
		return storage.PutResult{}, unsure(err, false)
	}
	shared := newShared(s)
	defer shared.release()
	v := &version{
		contentType: opts.ContentType, size: s.size, crc32c: s.crc32c, expires: expiryOf(opts.TTL),
		open: func(context.Context) (io.ReadCloser, error) { return s.open(), nil },
	}
	w := &write{key: key, cond: opts.If, v: v, caller: opts.Metadata, sha256: s.sha256, value: shared}
	before, err := e.commit(ctx, set, w)
	if err != nil {
		return storage.PutResult{}, err
	}
	if opts.Session != nil {
		opts.Session.Observe(key, v.stamp.version)
	}
	return storage.PutResult{Object: v.object(key), Created: w.was(!before.live(time.Now()))}, nil
}

func (e *replicated) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	set, err := e.begin(event.OpDelete, key)
	if err != nil {
		return storage.Deleted{}, err
	}
	w := &write{key: key, cond: opts.If, v: &version{tombstone: true, open: emptyBody}, value: newShared(nil)}
	defer w.value.release()
	before, err := e.commit(ctx, set, w)
	if err != nil {
		return storage.Deleted{}, err
	}
	if opts.Session != nil && w.v.stamp.version != 0 {
		opts.Session.Observe(key, w.v.stamp.version)
	}
	return storage.Deleted{Existed: w.was(before.live(time.Now()))}, nil
}

// write is a put or delete under way.
type write struct {
	key    string
	cond   storage.Condition
	v      *version
	caller map[string]string // the caller's metadata
	sha256 string
	value  *shared
	// doubt: an earlier write of the key may land between the look and this one.
	doubt bool
}

// was is an answer about the state before the write.
func (w *write) was(answer bool) storage.Tristate {
	if w.doubt && w.cond.IsNone() {
		return storage.Unknown
	}
	return storage.TristateOf(answer)
}

// stamp gives the write a version greater than before's.
func (e *replicated) stamp(w *write, before copyState) error {
	if err := e.env.Clock.Observe(before.stamp.version); err != nil {
		return err
	}
	w.v.stamp = stamp{e.env.Clock.Next(), e.writer}
	w.v.metadata = metadataFor(w.caller, w.v.stamp, w.sha256, w.v.expires, w.v.tombstone)
	return storage.ValidateMetadata(w.v.metadata)
}

// commit carries out a write and returns what the key was before.
func (e *replicated) commit(ctx context.Context, set copySet, w *write) (before copyState, err error) {
	unlock, err := e.keys.Lock(ctx, w.key)
	if err != nil {
		return before, unsure(err, false)
	}
	defer unlock()
	defer func() { e.doubts.note(w.key, err) }()
	w.doubt = e.doubts.about(w.key)
	if !w.cond.IsNone() {
		if err := e.abandoned.end(ctx, w.key); err != nil {
			return before, unsure(err, false)
		}
		return e.decide(ctx, set, w)
	}
	if err := e.endStragglers(ctx, set, w.key); err != nil {
		return before, unsure(err, false)
	}
	answers, err := e.survey(ctx, set, w.key, set.quorum())
	if err != nil {
		return before, unsure(err, false)
	}
	before = newest(answers).state
	if w.v.tombstone && !before.present && !w.doubt && !e.underWay(set, w.key) {
		if all, failures := e.askAll(ctx, set, w.key); len(failures) == 0 && !newest(all).state.present {
			return before, nil // there is nothing to delete anywhere
		}
	}
	if err := e.stamp(w, before); err != nil {
		return before, unsure(err, false)
	}
	d := e.deliver(ctx, set, w, e.intent(set, w), answers)
	return before, e.settle(ctx, d)
}

// endStragglers ends the deliveries of earlier writes of the key if a replica would
// let one of them overwrite a later version. The caller has the key's turn.
func (e *replicated) endStragglers(ctx context.Context, set copySet, key string) error {
	if !set.unordered() {
		return nil
	}
	return e.abandoned.end(ctx, key)
}

// underWay reports whether a write of the key may still arrive at a replica: one
// that was given up, or that waits in the journal. The caller has the key's turn.
func (e *replicated) underWay(set copySet, key string) bool {
	return e.recorded(set.replicas, key) || slices.ContainsFunc(set.replicas, func(r *replica) bool {
		_, dirty := e.log.Dirty(r.ref()) // and its entries are not known
		return dirty
	})
}

// recorded reports whether the journal has anything of the key for one of them.
func (e *replicated) recorded(replicas []*replica, key string) bool {
	return slices.ContainsFunc(replicas, func(r *replica) bool {
		_, known := e.log.Entry(r.ref(), key)
		return known
	})
}

// decide carries out a conditional write: what it depends on is first made
// the state of a quorum and of the first replica, whose etag then decides.
func (e *replicated) decide(ctx context.Context, set copySet, w *write) (before copyState, err error) {
	primary, ask := set.primary(), e.ask
	if w.doubt || e.underWay(set, w.key) {
		ask = e.fenced
	}
	for range maxDecisions {
		answers, err := e.surveyWith(ctx, set, w.key, set.quorum(), true, ask)
		if err != nil {
			return before, unsure(err, false)
		}
		before = newest(answers).state
		if err := e.spread(ctx, set, w.key, answers, set.stable(), true); err != nil {
			return before, unsure(err, false)
		}
		current := ""
		if before.live(time.Now()) {
			current = before.stamp.etag()
		}
		if err := w.cond.Check(current); err != nil {
			return before, err
		}
		known := knownOf(answers, primary)
		if known.stamp != before.stamp {
			a := e.ask(ctx, primary, w.key)
			if a.err != nil {
				return before, looked(a.err)
			}
			if a.state.stamp != before.stamp {
				continue
			}
			*known = a.state
		}
		if err := e.stamp(w, before); err != nil {
			return before, unsure(err, false)
		}
		intent := e.intent(set, w)
		err = e.give(ctx, primary, w.key, w.v, unchanged(*known))
		if err != nil && mayHaveHappened(err) {
			err = e.inquire(ctx, primary, w, err)
		}
		if err == nil {
			*known = copyState{stamp: w.v.stamp, present: true}
			d := e.deliver(ctx, set, w, intent, answers)
			return before, e.settle(ctx, d)
		}
		unknown := mayHaveHappened(err)
		for _, r := range set.replicas {
			if unknown {
				intent.Missed(r.ref())
			} else {
				intent.Dropped(r.ref())
			}
		}
		if unknown || storage.CodeOf(err) != storage.CodeFailedPrecondition {
			return before, err
		}
	}
	return before, storage.Errorf(storage.CodeAborted, "policy %q: other hosts changed the key %d times while the condition was being decided", e.name, maxDecisions)
}

// inquire finds out whether a conditional write that failed with err was
// committed: nil if so. One that was not seen may still be on its way.
func (e *replicated) inquire(ctx context.Context, primary *replica, w *write, err error) error {
	if a := e.ask(ctx, primary, w.key); a.err == nil && a.state.stamp == w.v.stamp {
		return nil
	}
	failed := storage.AsError(err)
	if failed.Code == storage.CodeFailedPrecondition { // of the replica's own etag, which is not the caller's
		failed.Code, failed.Current = storage.CodeUnavailable, ""
	}
	return unsure(failed, true)
}

func (e *replicated) intent(set copySet, w *write) *journal.Intent {
	refs := make([]string, len(set.replicas))
	for i, r := range set.replicas {
		refs[i] = r.ref()
	}
	return e.log.Begin(w.key, uint64(w.v.stamp.version), "", refs...)
}

// delivery is a version on its way to the replicas.
type delivery struct {
	engine  *replicated
	set     copySet
	key     string
	intent  *journal.Intent
	value   *shared
	results chan answer // one for each replica
	cut     context.CancelFunc
	over    chan struct{} // closed when all have ended

	mu           sync.Mutex
	ended, maybe int
	enough       bool       // as many as the write needs have it
	have         []*replica // and the intent was not told so yet
	lack         []*replica
}

// deliver begins to give w to all replicas. The deliveries outlive ctx.
func (e *replicated) deliver(ctx context.Context, set copySet, w *write, intent *journal.Intent, answers []answer) *delivery {
	dctx, cut := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(e.life, cut)
	d := &delivery{
		engine: e, set: set, key: w.key, intent: intent, value: w.value, results: make(chan answer, len(set.replicas)),
		over: make(chan struct{}),
		cut:  func() { stop(); cut() },
	}
	for _, r := range set.replicas {
		w.value.retain()
		known := knownOf(answers, r)
		ok := e.background(func() {
			err := e.advance(dctx, r, w.key, w.v, known)
			d.end(r, err)
		})
		if !ok {
			d.end(r, storage.Errorf(storage.CodeUnavailable, "policy %q is closed", e.name))
		}
	}
	return d
}

// end notes how a replica fared. A replica's debt is paid when the write as a
// whole has succeeded; if it has not, all stay in the journal, so that the
// copies are made equal again.
func (d *delivery) end(r *replica, err error) {
	d.mu.Lock()
	d.ended++
	if err == nil {
		d.have = append(d.have, r)
	} else {
		d.lack = append(d.lack, r)
		if mayHaveHappened(err) {
			d.maybe++
		}
	}
	var paid, missed, dropped []*replica
	if d.enough = d.enough || len(d.have) >= d.set.write; d.enough {
		paid, d.have = d.have, nil
	}
	last := d.ended == len(d.set.replicas)
	if last {
		switch {
		case !d.enough && len(d.have) == 0 && d.maybe == 0:
			dropped = d.lack
		default:
			missed = append(d.have, d.lack...)
		}
		d.cut()
	}
	d.mu.Unlock()
	for _, r := range paid {
		d.intent.Done(r.ref())
	}
	for _, r := range dropped {
		d.intent.Dropped(r.ref())
	}
	for _, r := range missed {
		d.intent.Missed(r.ref())
		d.engine.tell(event.Hinted, r, d.key, nil)
	}
	d.results <- answer{replica: r, err: err}
	d.value.release()
	if last {
		close(d.over)
		d.engine.abandoned.remove(d)
	}
}

// settle waits until enough replicas have the write and what others may lack is
// durable in the journal.
func (e *replicated) settle(ctx context.Context, d *delivery) error {
	acks, ended, maybe := 0, 0, 0
	var failures []error
	var outcomes []string
	need := d.set.write
	for ended < len(d.set.replicas) {
		select {
		case a := <-d.results:
			ended++
			outcomes = append(outcomes, outcome(a.replica, a.err))
			if a.err == nil {
				acks++
			} else {
				failures = append(failures, a.err)
				if mayHaveHappened(a.err) {
					maybe++
				}
			}
		case <-ctx.Done():
			e.abandoned.add(d)
			e.leave(d)
			return unsure(ctx.Err(), true)
		}
		if acks < need || acks == len(d.set.replicas) {
			continue
		}
		if err := d.intent.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				e.abandoned.add(d)
				e.leave(d)
				return unsure(ctx.Err(), true)
			}
			// What a replica lacks cannot be remembered, so none may.
			need = len(d.set.replicas)
			failures = append(failures, err)
			outcomes = append(outcomes, "journal: "+err.Error())
			continue
		}
		d.intent.Acknowledged()
		if ended < len(d.set.replicas) {
			if d.set.unordered() {
				e.abandoned.add(d)
			}
			e.leave(d)
		}
		return nil
	}
	if acks >= need {
		return nil
	}
	if code, ok := common(failures); ok && acks+maybe == 0 {
		err := storage.AsError(failures[0])
		err.Code = code
		return err
	}
	err := e.tooFew("the write reached too few replicas", d.set, need, outcomes, failures)
	err.OutcomeUnknown = acks+maybe > 0
	return err
}

// leave lets the deliveries that are still under way go on without a waiter, for
// a while and not too many of them.
func (e *replicated) leave(d *delivery) {
	if e.straggling.Add(1) > MaxStragglers {
		d.cut()
	}
	ok := e.background(func() {
		defer e.straggling.Add(-1)
		timer := time.AfterFunc(MaxStraggling, d.cut)
		defer timer.Stop()
		<-d.over
	})
	if !ok {
		e.straggling.Add(-1)
	}
}

// shared is a spool with several users; the last one to release it closes it.
type shared struct {
	spool *spool
	users atomic.Int32
}

func newShared(s *spool) *shared {
	h := &shared{spool: s}
	h.users.Store(1)
	return h
}

func (s *shared) retain() { s.users.Add(1) }

func (s *shared) release() {
	if s.users.Add(-1) == 0 && s.spool != nil {
		s.spool.close()
	}
}
