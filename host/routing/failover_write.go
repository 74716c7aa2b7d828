package routing

import (
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (f *failover) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	opts.Metadata = asNew(opts.Metadata)
	s, err := newSpool(f.env.SpoolDir, body)
	if err != nil {
		return storage.PutResult{}, unsure(err, false)
	}
	defer s.close()
	opts.SizeHint = s.size
	if !opts.If.IsNone() {
		return f.putIf(ctx, key, s, opts)
	}
	var res storage.PutResult
	w := &transfer{op: event.OpPut, key: key, vanishes: opts.TTL != 0}
	w.send = func(c *candidate) (whereabouts, error) {
		opts := opts
		opts.Metadata = standIn(opts.Metadata, c)
		res, err = c.child.Store.Put(ctx, key, s.open(), opts)
		return whereabouts{state: present, expires: res.Object.ExpiresAt}, err
	}
	if err := f.transfer(ctx, w); err != nil {
		return storage.PutResult{}, err
	}
	f.written.put(res.Object)
	res.Object = w.taker.outward(res.Object)
	res.Created = opposite(w.existed(opposite(res.Created)))
	return res, nil
}

func (f *failover) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if !opts.If.IsNone() {
		return f.deleteIf(ctx, key, opts)
	}
	var d storage.Deleted
	w := &transfer{op: event.OpDelete, key: key, vanishes: true}
	w.send = func(c *candidate) (_ whereabouts, err error) {
		d, err = c.child.Store.Delete(ctx, key, opts)
		return whereabouts{state: deleted}, err
	}
	if err := f.transfer(ctx, w); err != nil {
		return storage.Deleted{}, err
	}
	f.written.deleted(key)
	d.Existed = w.existed(d.Existed)
	return d, nil
}

// transfer is an unconditional write on its way to the child that takes it.
type transfer struct {
	op  event.Op
	key string
	// vanishes: it may leave nothing at the child, now or later.
	vanishes bool
	// send gives it to a child and returns what that has then.
	send func(c *candidate) (whereabouts, error)

	prior    whereabouts // of the key, if it was owed to the primary
	owed     bool
	from     *candidate // that was to take it last
	taker    *candidate // that took it
	failures []error
	maybe    bool // one that failed may have it, or be given it yet
}

// existed is whether there was an object before w, by what the child said that
// took it. A child that may have had w before says nothing of the time before.
func (w *transfer) existed(said storage.Tristate) storage.Tristate {
	if w.maybe {
		return storage.Unknown
	}
	return existed(w.prior, w.owed, w.taker, said)
}

// transfer gives w to the first child that takes it and makes durable what that
// means for the others.
func (f *failover) transfer(ctx context.Context, w *transfer) error {
	unlock, err := f.keys.Lock(ctx, w.key)
	if err != nil {
		return unsure(err, false)
	}
	defer unlock()
	w.prior, _, w.owed = f.owed(f.primary.child.Name, w.key)
	var passed []*candidate
	for _, c := range f.order {
		if !f.moves && c != f.primary {
			break
		}
		if err := f.prepare(ctx, w, c); err != nil {
			w.failures = append(w.failures, err)
			continue
		}
		admitted, canary, info := c.admit()
		if !admitted {
			w.from, w.failures = c, append(w.failures, passedOver(c, info))
			if info.State != event.BreakerOpen || !f.moves {
				passed = append(passed, c)
			}
			continue
		}
		if ended, err := f.offer(ctx, w, c, canary); ended {
			return err
		}
	}
	for _, c := range passed {
		if ended, err := f.offer(ctx, w, c, false); ended {
			return err
		}
	}
	return unsure(f.unavailable(w.op, w.key, w.failures), w.maybe)
}

// prepare does what must be done before c may take w.
func (f *failover) prepare(ctx context.Context, w *transfer, c *candidate) error {
	if err := f.room(w.key, c); err != nil || !w.vanishes {
		return err
	}
	if err := f.doubt(ctx, w.key, c); err != nil {
		return storage.Errorf(storage.CodeUnavailable, "the journal could not be told what %s is about to do: %w", c.child.Name, err)
	}
	return nil
}

// offer has one child take w. It ends the write unless another child may take
// it.
func (f *failover) offer(ctx context.Context, w *transfer, c *candidate, canary bool) (ended bool, err error) {
	if w.from != nil && w.from != c {
		f.listener.Failover(event.FailoverInfo{
			Policy: f.name, Op: w.op, From: w.from.child.Name, To: c.child.Name, Err: w.failures[len(w.failures)-1],
		})
	}
	w.from = c
	now, err := w.send(c)
	c.report(ctx, canary, err)
	if err != nil {
		w.maybe = w.maybe || mayHaveHappened(err)
		err = c.failed(ctx, err, w.op.String(), w.key)
		w.failures = append(w.failures, err)
		return !failsOver(ctx, err), unsure(err, w.maybe)
	}
	w.taker, now.holder = c, c.child.Name
	if c == f.primary {
		now.state, now.expires = decisive, time.Time{}
	}
	return true, f.acknowledge(ctx, w.op, w.key, now)
}

// acknowledge records where the newest state of key is after a write.
func (f *failover) acknowledge(ctx context.Context, op event.Op, key string, now whereabouts) error {
	err := f.record(ctx, key, now)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		err = storage.Errorf(storage.CodeUnavailable, "%s has it, but the journal cannot remember that others have not: %w", now.holder, err)
	}
	return storage.Annotate(unsure(err, true), op.String(), key)
}

func opposite(t storage.Tristate) storage.Tristate {
	switch t {
	case storage.Yes:
		return storage.No
	case storage.No:
		return storage.Yes
	default:
		return storage.Unknown
	}
}
