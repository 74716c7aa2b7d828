package routing

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// putting is a put on its way.
type putting struct {
	op, key string
	body    io.Reader
	opts    storage.PutOptions
	stamp   stamp // once it is about to be stored
}

func (p *placed) put(ctx context.Context, op, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	w := &putting{op: op, key: key, body: body, opts: opts}
	var value *spool
	target, err := p.choose.place(placing{op, key, &opts, func() (_ int64, err error) {
		if value == nil && opts.SizeHint > 0 {
			return opts.SizeHint, nil
		}
		if value == nil {
			if value, err = newSpool(p.spoolDir, body); err != nil {
				return 0, err
			}
			w.body, w.opts.SizeHint = value.open(), value.size
		}
		return value.size, nil
	}})
	if value != nil {
		defer value.close()
	}
	if err != nil {
		return storage.PutResult{}, err
	}
	unlock, err := p.turns.Lock(ctx, key)
	if err != nil {
		return storage.PutResult{}, storage.AsError(err)
	}
	defer unlock()

	if owner := p.owners.of(key); owner != nowhere && opts.If.Kind != storage.ConditionAbsent && (target == nowhere || target == owner) {
		res, err := p.store(ctx, w, owner)
		if e := storage.AsError(err); e != nil && e.Code == storage.CodeFailedPrecondition && e.Current == "" {
			p.owners.lost(key, owner)
		}
		res.Object = p.children[owner].outward(res.Object)
		return res, err
	}
	seen := p.settle(ctx, key, opts.Session)
	if seen.skew != nil {
		return storage.PutResult{}, seen.skew
	}
	current, unknown := seen.current(ctx, storage.ConsistencyDefault)
	if unknown != nil && (p.debts.log == nil || !opts.If.IsNone() || storage.CodeOf(unknown) != storage.CodeUnavailable) {
		return storage.PutResult{}, unknown
	}
	if unknown == nil {
		if err := opts.If.Check(p.etagOf(current)); err != nil {
			return storage.PutResult{}, err
		}
	}
	if target == nowhere {
		if target, err = p.stay(seen, w, current); err != nil {
			return storage.PutResult{}, err
		}
	}
	res, err := p.replace(ctx, w, target, seen, current)
	if err != nil {
		return storage.PutResult{}, err
	}
	res.Object = p.children[target].outward(res.Object)
	if res.Created = storage.Unknown; unknown == nil {
		res.Created = storage.TristateOf(current == nil)
	}
	return res, nil
}

// stay returns where an object goes that may stay where it is.
func (p *placed) stay(seen *sighting, w *putting, current *copyAt) (int, error) {
	if current != nil {
		return current.child, nil
	}
	child := p.choose.create(w.key, w.opts.If.Kind == storage.ConditionAbsent, func(i int) bool {
		return p.children[i].child.state().State != event.BreakerClosed || slices.ContainsFunc(seen.failed, func(f failure) bool { return f.child == i })
	})
	if child == nowhere {
		failures := make([]error, len(seen.failed))
		for i, f := range seen.failed {
			failures[i] = f.err
		}
		return nowhere, unavailable("no child takes new objects", failures)
	}
	return child, nil
}

func (p *placed) etagOf(c *copyAt) string {
	if c == nil {
		return ""
	}
	return p.children[c.child].qualify(c.object.ETag)
}

// store puts at a child under the condition of the caller. The result has the
// child's own etag.
func (p *placed) store(ctx context.Context, w *putting, child int) (storage.PutResult, error) {
	cond, err := p.children[child].condition(ctx, w.key, w.opts.If)
	if err != nil {
		return storage.PutResult{}, p.failed(ctx, p.children[child], err, w.op, w.key)
	}
	return p.storeIf(ctx, w, child, cond)
}

// storeIf puts at a child under a condition of that child.
func (p *placed) storeIf(ctx context.Context, w *putting, child int, cond storage.Condition) (storage.PutResult, error) {
	opts := w.opts
	opts.If = cond
	if w.stamp == (stamp{}) {
		w.stamp = p.stampFor(opts.Metadata)
	}
	if opts.Metadata[metaVersion] == "" {
		opts.Metadata = metadataFor(opts.Metadata, w.stamp, "", time.Time{}, false)
	}
	c := p.children[child]
	res, err := c.child.Store.Put(ctx, w.key, w.body, opts)
	if err != nil {
		err = p.failed(ctx, c, err, w.op, w.key)
		if mayHaveHappened(err) {
			p.mayLand(ctx, w, c, err)
		}
		return storage.PutResult{}, err
	}
	p.owners.set(w.key, child, w.stamp.version)
	p.debts.settle(c, w.key, w.stamp.version)
	return res, nil
}

// mayLand remembers, also for the next host, that a put which failed with err may
// still land at c.
func (p *placed) mayLand(ctx context.Context, w *putting, c *marked, err error) {
	if owner := p.owners.of(w.key); owner != nowhere && p.children[owner] != c {
		p.owners.reset(w.key) // the next write has to look, and so to fence
	}
	if p.debts.log == nil {
		p.debts.doubts.note(w.key, unsure(err, true))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	p.debts.begin(w.key, w.stamp.version, []*marked{c}).each(func(i *journal.Intent, name string) {
		_ = i.Wait(ctx) // without the disk this host still knows
		i.Missed(name)
	})
}

// stampFor is the stamp of a new version. A policy above that stamps its objects
// has given one already, which orders the versions as well.
func (p *placed) stampFor(metadata map[string]string) stamp {
	if metadata[metaVersion] != "" {
		return stateOf(storage.Object{Metadata: metadata}).stamp
	}
	return stamp{p.clock.Next(), p.writer}
}

// replace puts at target and removes what other children have of the key, or may
// have.
func (p *placed) replace(ctx context.Context, w *putting, target int, seen *sighting, current *copyAt) (storage.PutResult, error) {
	stale := slices.DeleteFunc(slices.Clone(seen.copies), func(c copyAt) bool { return c.child == target })
	var missing []int // children of which nobody knows what they have, or will have
	for _, f := range seen.failed {
		if f.child != target && (current == nil || p.debts.any(p.children[f.child], w.key)) {
			missing = append(missing, f.child)
		}
	}
	if len(stale) == 0 && len(missing) == 0 {
		return p.storeOver(ctx, w, target, seen, current)
	}
	if p.debts.log == nil { // the newest counts, so the others are only in the way
		if len(missing) > 0 {
			return storage.PutResult{}, seen.unknown(ctx)
		}
		res, err := p.storeOver(ctx, w, target, seen, current)
		if err == nil {
			p.removeAll(ctx, w, stale)
		}
		return res, err
	}
	return p.move(ctx, w, target, seen, current, stale, missing)
}

// storeOver puts at target, where a copy may be that does not count.
func (p *placed) storeOver(ctx context.Context, w *putting, target int, seen *sighting, current *copyAt) (storage.PutResult, error) {
	switch there := seen.of(target); {
	case w.opts.If.IsNone():
		return p.storeIf(ctx, w, target, storage.Condition{})
	case current != nil && current.child == target:
		return p.store(ctx, w, target)
	case there != nil:
		res, err := p.storeIf(ctx, w, target, storage.IfETag(there.object.ETag))
		return res, p.changed(target, err)
	case w.opts.If.Kind == storage.ConditionAbsent:
		return p.storeIf(ctx, w, target, storage.IfAbsent())
	default:
		res, err := p.storeIf(ctx, w, target, storage.IfAbsent())
		return res, p.changed(target, err)
	}
}

// changed is the error of a put that a child refused although the caller's
// condition may hold: what the child has is not what was seen there, such as an
// old copy of a child that did not answer then.
func (p *placed) changed(target int, err error) error {
	if err == nil || storage.CodeOf(err) != storage.CodeFailedPrecondition || storage.AsError(err).OutcomeUnknown {
		return err
	}
	return storage.Errorf(storage.CodeUnavailable, "%s has another copy than when it was looked at; try again", p.children[target].child.Name)
}
