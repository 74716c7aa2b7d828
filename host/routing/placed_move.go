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
//	journal the debt ─ put at target ─ delete stale ─ done
//	                        │              └ fails: journal that they are dead, acknowledge, delete later
//	                        └ fails: nothing has happened; unknown: whoever is found newest counts
func (p *placed) move(ctx context.Context, w *putting, target int, seen *sighting, current *copyAt, stale []copyAt, missing []int) (storage.PutResult, error) {
	debtors := make([]*marked, 0, len(p.children))
	for _, c := range stale {
		debtors = append(debtors, p.children[c.child])
	}
	for _, i := range missing {
		debtors = append(debtors, p.children[i])
	}
	defer p.moving.begin(w.key)()
	w.stamp = p.stampFor(w.opts.Metadata)
	owed := p.debts.begin(w.key, w.stamp.version, debtors)
	if err := owed.wait(ctx); err != nil {
		return storage.PutResult{}, journalFailed(ctx, err)
	}
	res, err := p.storeOver(ctx, w, target, seen, current)
	if err != nil {
		if mayHaveHappened(err) {
			p.owners.set(w.key, nowhere, w.stamp.version)
			owed.each((*journal.Intent).Missed)
		} else {
			owed.each((*journal.Intent).Dropped)
		}
		return storage.PutResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	left := missing
	for _, c := range stale {
		switch err := p.removeStale(ctx, w.key, c, w.stamp); {
		case err == nil:
			owed.done(p.children[c.child])
		case storage.CodeOf(err) == storage.CodeAborted && w.opts.If.IsNone(): // ours came first
			owed.done(p.children[c.child])
			_ = p.yield(ctx, w.key, target, res.Object.ETag) // theirs is newer in any case
		case storage.CodeOf(err) == storage.CodeAborted:
			owed.each((*journal.Intent).Missed)
			if again := p.yield(ctx, w.key, target, res.Object.ETag); again != nil {
				return storage.PutResult{}, again
			}
			return storage.PutResult{}, storage.Errorf(storage.CodeFailedPrecondition, "%w", err)
		default:
			left = append(left, c.child)
		}
	}
	if err := p.owe(ctx, w, left, owed); err != nil {
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

// owe makes durable that what children have of the key is dead, although they
// have not removed it, before the write is acknowledged.
func (p *placed) owe(ctx context.Context, w *putting, children []int, owed *intents) error {
	if len(children) == 0 {
		return nil
	}
	debtors := make([]*marked, len(children))
	for i, child := range children {
		debtors[i] = p.children[child]
	}
	dead := p.debts.acknowledge(w.key, w.stamp.version+1, debtors)
	if err := dead.wait(ctx); err != nil {
		owed.each((*journal.Intent).Missed)
		e := storage.AsError(journalFailed(ctx, err))
		e.OutcomeUnknown = true
		return e
	}
	dead.each(func(i *journal.Intent, _ string) { i.Acknowledged() })
	dead.each((*journal.Intent).Missed)
	for i, c := range debtors {
		owed.done(c)
		p.tell(event.Hinted, children[i], w.key, nil)
	}
	return nil
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
