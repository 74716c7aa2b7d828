package routing

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxReads is how often a read is begun again because the copies changed
// between the look and the read.
const maxReads = 16

// lookup is a Get or Stat under way.
type lookup struct {
	op      event.Op
	key     string
	wanted  storage.Range
	match   string // the policy's etag it is pinned to, or ""
	level   storage.Consistency
	session *storage.Session
	shared  bool // the metadata of what is found is not changed

	reader *storage.Reader // of a Get that succeeded
	state  copyState
	from   *replica
}

func (e *replicated) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	set, err := e.begin(event.OpGet, key)
	if err != nil {
		return nil, err
	}
	q := lookup{
		op: event.OpGet, key: key, wanted: opts.Range, match: opts.IfMatch, level: opts.Consistency, session: opts.Session,
		shared: opts.SharedMetadata,
	}
	if err := e.read(ctx, set, &q); err != nil {
		return nil, err
	}
	q.reader.Object = q.state.outward()
	if q.reader.InMemory() { // it does not break
		from := q.from
		q.reader.OnClose(func(_ int64, err error) { e.ended(key, from, err) })
	} else {
		guard(&replicaSource{engine: e, ctx: ctx, set: set, lookup: q})
	}
	return q.reader, nil
}

func (e *replicated) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	set, err := e.begin(event.OpStat, key)
	if err != nil {
		return storage.Object{}, err
	}
	q := lookup{op: event.OpStat, key: key, match: opts.IfMatch, level: opts.Consistency, session: opts.Session}
	if err := e.read(ctx, set, &q); err != nil {
		return storage.Object{}, err
	}
	return q.state.outward(), nil
}

// read finds a copy that may answer q.
func (e *replicated) read(ctx context.Context, set copySet, q *lookup) error {
	var err error
	switch {
	case q.level == storage.ConsistencyStrong:
		err = e.readQuorum(ctx, set, q)
	case q.level == storage.ConsistencyEventual:
		err = e.readFirst(ctx, set, q)
	case set.reading == ReadFirst || set.reading == "":
		err = e.readInTurn(ctx, set, q)
	default:
		err = e.readQuorum(ctx, set, q)
	}
	if q.session != nil && q.state.present {
		q.session.Observe(q.key, q.state.stamp.version)
	}
	return err
}

// least is the version that the session of q must see.
func (q *lookup) least() storage.Version {
	if q.session == nil || q.level != storage.ConsistencyReadYourWrites && q.level != storage.ConsistencyCausal {
		return 0
	}
	return q.session.Least(q.key)
}

// readInTurn begins where set says, unless the key is being written: one replica
// may have the new version then and another not, and whoever saw the new one
// must not be shown the old one. So all begin at the first; and also while the
// journal has something of the key, such as a write that failed half way.
func (e *replicated) readInTurn(ctx context.Context, set copySet, q *lookup) error {
	if set.start != 0 && (e.keys.Interested(q.key) > 0 || e.recorded(set.replicas, q.key)) {
		set.start = 0
	}
	err := e.readFirst(ctx, set, q)
	if set.start != 0 && e.keys.Interested(q.key) > 0 { // a write has begun meanwhile
		q.drop()
		set.start = 0
		err = e.readFirst(ctx, set, q)
	}
	return err
}

// readFirst asks one replica after another until one may answer: it owes no
// write of this host that was acknowledged, and has what the session has seen.
// Eventual waives both. If none can, more of them are asked at once.
func (e *replicated) readFirst(ctx context.Context, set copySet, q *lookup) error {
	least, eventual := q.least(), q.level == storage.ConsistencyEventual
	answered := 0
	var absent, failed *replica
	var failure error
	for k := range set.replicas {
		r := set.at(k)
		if !e.usable(r) || !eventual && e.lacks(r, q.key) {
			continue
		}
		if failure != nil {
			e.env.Listener.Failover(event.FailoverInfo{Policy: e.name, Op: q.op, From: failed.ref(), To: r.ref(), Err: failure})
			failure = nil
		}
		err := e.open(ctx, r, q)
		if err != nil {
			if !failsOver(ctx, err) {
				return err
			}
			failed, failure = r, err
			continue
		}
		answered++
		switch live := q.state.live(time.Now()); {
		case q.state.stamp.version < least, !q.state.present:
			q.drop()
			if !q.state.present && absent == nil {
				absent = r
			}
		case live:
			if absent != nil {
				e.queue(q.key, nil) // it is repaired unless a write is under way
			}
			return q.pinned()
		default:
			q.drop()
			return e.missing(q)
		}
	}
	if answered == len(set.replicas) && least == 0 {
		return e.missing(q)
	}
	return e.readQuorum(ctx, set, q)
}

// lacks reports whether a replica may lack a write of this host that was
// acknowledged.
func (e *replicated) lacks(r *replica, key string) bool {
	if _, owes := e.log.Owes(r.ref(), key); owes {
		return true
	}
	_, dirty := e.log.Dirty(r.ref()) // last: a replica that becomes dirty owes nothing more
	return dirty
}

// open asks one replica. A missing copy is no error but an absent state.
func (e *replicated) open(ctx context.Context, r *replica, q *lookup) error {
	q.from, q.reader, q.state = r, nil, copyState{}
	if q.op == event.OpStat {
		o, err := r.child.Store.Stat(ctx, q.key, storage.StatOptions{})
		if err != nil {
			return notAbsent(err)
		}
		q.state = stateOf(o)
		return nil
	}
	reader, err := r.child.Store.Get(ctx, q.key, storage.GetOptions{Range: q.wanted, SharedMetadata: q.shared})
	if err == nil {
		q.reader, q.state = reader, stateOf(reader.Object)
		return nil
	}
	if storage.CodeOf(err) == storage.CodeOutOfRange { // of a value, or of a tombstone
		a := e.ask(ctx, r, q.key)
		if q.state = a.state; a.err != nil || a.state.live(time.Now()) {
			return err
		}
		return nil
	}
	return notAbsent(err)
}

func notAbsent(err error) error {
	if storage.CodeOf(err) == storage.CodeNotFound {
		return nil
	}
	return err
}

// readQuorum asks a quorum and reads the newest version. Where the quorum is what
// was asked for, that version is first given to as many replicas as make it
// stable, so that no later read finds an older one; if that cannot be done, a
// Strong read fails. Making it stable has the key's turn: a conditional write of
// this host that has not seen the version must not be decided meanwhile.
func (e *replicated) readQuorum(ctx context.Context, set copySet, q *lookup) error {
	least := q.least()
	need, strong := set.read(), q.level == storage.ConsistencyStrong
	stable := strong || set.reading == ReadQuorum || set.reading == ReadVerify
	if stable {
		need = set.quorum()
	}
	failure := errors.New("no replica gives the version that it was seen to have")
	for n := range maxReads {
		if n == 1 && stable {
			unlock, err := e.keys.Lock(ctx, q.key)
			if err != nil {
				return err
			}
			defer unlock() // once
		}
		answers, err := e.survey(ctx, set, q.key, need)
		if err != nil {
			return err
		}
		best := newest(answers)
		if best.state.stamp.version < least {
			if answers, err = e.survey(ctx, set, q.key, len(set.replicas)); err != nil {
				return storage.Errorf(storage.CodeUnavailable, "policy %q: no replica that answers has the version that the session has seen: %w", e.name, err)
			}
			best = newest(answers)
		}
		q.state = best.state
		if stable && n == 0 && best.state.present && holders(answers, best.state.stamp) < set.stable() {
			continue
		}
		if stable {
			err := e.spread(ctx, set, q.key, answers, set.stable(), false)
			if errors.Is(err, storage.ErrAborted) && ctx.Err() == nil {
				failure = err
				continue
			}
			if err != nil && (strong || ctx.Err() != nil) {
				return err
			}
		}
		if holders(answers, best.state.stamp) < len(answers) {
			e.queue(q.key, nil)
		}
		if !best.state.live(time.Now()) {
			return e.missing(q)
		}
		if q.op == event.OpStat {
			return q.pinned()
		}
		again, err := e.openAny(ctx, set, answers, best.state.stamp, q, stable)
		if !again {
			return err
		}
		failure = cmp.Or(err, failure)
	}
	return storage.Errorf(storage.CodeUnavailable, "policy %q: the object changed %d times while it was being read: %w", e.name, maxReads, failure)
}

// openAny opens the value at one of the replicas that were seen to have it;
// again is set if none of them gives it. One that has a newer version by now
// gives that, unless what is given has to be stable.
func (e *replicated) openAny(ctx context.Context, set copySet, answers []answer, want stamp, q *lookup, stable bool) (again bool, err error) {
	for _, a := range answers {
		if a.state.stamp != want {
			continue
		}
		if err = e.open(ctx, a.replica, q); err != nil {
			if !failsOver(ctx, err) {
				return false, err
			}
			continue
		}
		if q.state.stamp.less(want) {
			q.drop() // it was collected
			continue
		}
		if q.state.stamp != want && stable {
			q.drop()
			return true, nil // to be made stable first
		}
		if !q.state.live(time.Now()) {
			q.drop()
			return false, e.missing(q)
		}
		if err := q.pinned(); err != nil {
			return false, err
		}
		if set.reading == ReadVerify && q.wanted.IsWhole() {
			if err = e.verified(q); err != nil {
				e.queue(q.key, a.replica)
				continue
			}
		}
		return false, nil
	}
	return err == nil || storage.CodeOf(err) != storage.CodeDataLoss, err
}

// pinned checks the etag that q is pinned to.
func (q *lookup) pinned() error {
	if q.match == "" {
		return nil
	}
	err := storage.IfETag(q.match).Check(q.state.stamp.etag())
	if err != nil {
		q.drop()
	}
	return err
}

// drop closes a reader that is not wanted.
func (q *lookup) drop() {
	if q.reader != nil {
		_ = q.reader.Close() // nothing was read from it
		q.reader = nil
	}
}

// missing is the answer for a key that nobody has any more.
func (e *replicated) missing(q *lookup) error {
	return storage.Errorf(storage.CodeNotFound, "no replica of policy %q has it", e.name)
}
