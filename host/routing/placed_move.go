package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// cleanUpTime is how long the removal of an old copy may take after the new one
// was stored, also if the caller has gone. What is not done by then is a debt.
const cleanUpTime = 10 * time.Second

// move stores a new copy at target and removes the stale ones, and those that
// missing children may have. Whatever breaks off is left as a debt that was
// durable before anything was written:
//
//	journal "moving" ─ put at target ─ delete stale ─ done
//	                        │              └ fails: journal "moved", acknowledge, delete later
//	                        └ fails: nothing has happened; unknown: whoever is found newest counts
func (p *placed) move(ctx context.Context, w *putting, target int, seen *sighting, current *copyAt, stale []copyAt, missing []int) (storage.PutResult, error) {
	var names []string
	for _, c := range stale {
		names = append(names, p.children[c.child].child.Name)
	}
	for _, i := range missing {
		names = append(names, p.children[i].child.Name)
	}
	defer p.moving.begin(w.key)()
	w.stamp = p.stampFor(w.opts.Metadata)
	intent := p.debts.log.Begin(w.key, uint64(w.stamp.version), noteMoving, names...)
	if err := intent.Wait(ctx); err != nil {
		endAll(intent.Dropped, names)
		return storage.PutResult{}, journalFailed(ctx, err)
	}
	res, err := p.storeOver(ctx, w, target, seen, current)
	if err != nil {
		if storage.AsError(err).OutcomeUnknown {
			p.owners.set(w.key, nowhere, w.stamp.version)
			endAll(intent.Missed, names)
		} else {
			endAll(intent.Dropped, names)
		}
		return storage.PutResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	left := missing
	for _, c := range stale {
		name := p.children[c.child].child.Name
		switch err := p.removeStale(ctx, w.key, c, w.stamp); {
		case err == nil:
			intent.Done(name)
		case storage.CodeOf(err) == storage.CodeAborted && w.opts.If.IsNone(): // ours came first
			intent.Done(name)
			p.yield(ctx, w.key, target, res.Object.ETag)
		case storage.CodeOf(err) == storage.CodeAborted:
			endAll(intent.Missed, names)
			if again := p.yield(ctx, w.key, target, res.Object.ETag); again != nil {
				return storage.PutResult{}, again
			}
			return storage.PutResult{}, storage.Errorf(storage.CodeFailedPrecondition, "%w", err)
		default:
			left = append(left, c.child)
		}
	}
	if err := p.owe(ctx, w, left, intent); err != nil {
		return storage.PutResult{}, err
	}
	if current != nil && current.child != target {
		p.tell(event.Moved, target, w.key, nil)
	}
	return res, nil
}

// yield takes a copy back that was stored at target, in favour of one that
// another host has written. The error says that this is not certain.
func (p *placed) yield(ctx context.Context, key string, target int, etag string) error {
	p.owners.set(key, nowhere, p.clock.Next())
	c := p.children[target]
	err := deleteVersion(ctx, c.child.Store, key, etag)
	if err == nil || storage.CodeOf(err) == storage.CodeFailedPrecondition {
		return nil
	}
	e := storage.AsError(p.failed(ctx, c, err, "", key))
	e.OutcomeUnknown = true
	return e
}

// owe makes durable that children have to remove copies of the key although the
// write is acknowledged.
func (p *placed) owe(ctx context.Context, w *putting, children []int, intent *journal.Intent) error {
	if len(children) == 0 {
		return nil
	}
	names := make([]string, len(children))
	for i, child := range children {
		names[i] = p.children[child].child.Name
	}
	moved := p.debts.log.Begin(w.key, uint64(w.stamp.version)+1, noteMoved, names...)
	if err := moved.Wait(ctx); err != nil {
		endAll(intent.Missed, names)
		endAll(moved.Dropped, names)
		e := storage.AsError(journalFailed(ctx, err))
		e.OutcomeUnknown = true
		return e
	}
	moved.Acknowledged()
	endAll(moved.Missed, names)
	endAll(intent.Done, names)
	for _, child := range children {
		p.tell(event.Hinted, child, w.key, nil)
	}
	return nil
}

func endAll(end func(target string), names []string) {
	for _, name := range names {
		end(name)
	}
}

func journalFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return storage.AsError(ctx.Err())
	}
	return storage.Errorf(storage.CodeUnavailable, "the journal cannot record that the object moves: %w", err)
}

// removeStale deletes a copy that is older than by. Aborted: somebody else has
// replaced it by a newer one.
func (p *placed) removeStale(ctx context.Context, key string, c copyAt, by stamp) error {
	store := p.children[c.child].child.Store
	for n := 0; ; n++ {
		err := deleteVersion(ctx, store, key, c.object.ETag)
		if err == nil || storage.CodeOf(err) != storage.CodeFailedPrecondition || n == attempts {
			return err
		}
		now, err := store.Stat(ctx, key, storage.StatOptions{})
		switch {
		case err != nil && storage.CodeOf(err) == storage.CodeNotFound:
			return nil
		case err != nil:
			return err
		case !stateOf(now).stamp.less(by):
			return storage.Errorf(storage.CodeAborted, "another host has written the object meanwhile")
		}
		c.object = now
	}
}

// deleteVersion deletes the version with etag, as far as the store can tell
// versions apart when it deletes; gone already is as good.
func deleteVersion(ctx context.Context, store storage.Store, key, etag string) error {
	var opts storage.DeleteOptions
	if store.Capabilities().ConditionalDelete {
		opts.If = storage.IfETag(etag)
	}
	_, err := store.Delete(ctx, key, opts)
	if e := storage.AsError(err); e != nil && e.Code == storage.CodeFailedPrecondition && e.Current == "" {
		return nil
	}
	return err
}

// removeAll is removeStale where nobody is owed anything.
func (p *placed) removeAll(ctx context.Context, w *putting, stale []copyAt) {
	for _, c := range stale {
		if err := p.removeStale(ctx, w.key, c, w.stamp); err != nil {
			p.tell(event.Divergence, c.child, w.key, err)
		}
	}
}
