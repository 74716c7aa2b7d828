package routing

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// replayIdle is how often a child is looked after that owes nothing: while a
// policy is replaced its successor may miss being woken.
const replayIdle = time.Minute

// replay gives a child what it missed, the oldest first, until life ends.
func (f *failover) replay(life context.Context, c *candidate) {
	pause := replayPauseFirst
	for {
		wake, wait := f.log.Wake(c.child.Name), replayIdle
		if err := f.pass(life, c, false); err != nil {
			wake, wait = nil, pause/2+rand.N(pause/2) //nolint:gosec // jitter needs no secrecy
			pause = min(2*pause, replayPauseLongest)
		} else {
			pause = replayPauseFirst
		}
		timer := time.NewTimer(wait)
		select {
		case <-life.Done():
			timer.Stop()
			return
		case <-wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pass goes once through all that a child missed. A key that cannot be given to
// it does not keep others back; the error is that of the first such key.
func (f *failover) pass(ctx context.Context, c *candidate, force bool) error {
	var failure error
	entries := f.log.Ripe(c.child.Name, replayBatch)
	for len(entries) > 0 {
		for _, e := range entries {
			down, err := f.repay(ctx, c, e.Key, force)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && failure == nil {
				failure = err
			}
			if down {
				return err
			}
		}
		entries = f.log.RipeAfter(c.child.Name, entries[len(entries)-1], replayBatch)
	}
	return failure
}

func (f *failover) repay(ctx context.Context, c *candidate, key string, force bool) (down bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	unlock, err := f.keys.Lock(ctx, key)
	if err != nil {
		return false, err
	}
	defer unlock()
	return f.catchUp(ctx, c, key, force)
}

// catchUp gives a child what it missed of one key, whose turn the caller has. It
// tells whether the child is down. Without force the child is left alone in its
// hold-down, and is tried by one at a time after it.
func (f *failover) catchUp(ctx context.Context, c *candidate, key string, force bool) (down bool, err error) {
	e, known := f.log.Entry(c.child.Name, key)
	if !known {
		return false, nil
	}
	w, _, owed := f.owed(c.child.Name, key)
	if !owed {
		f.log.Settle(c.child.Name, key, e.Version)
		return false, nil
	}
	newest, err := f.newest(ctx, key, w)
	if err != nil {
		return false, err
	}
	if newest != nil {
		defer newest.Close()
	}
	admitted, canary, info := true, false, c.child.state()
	if !force {
		admitted, canary, info = c.admit()
	}
	if !admitted || force && info.State == event.BreakerOpen {
		return true, passedOver(c, info)
	}
	err = f.hand(ctx, c, key, w, newest)
	c.report(ctx, canary, err)
	if err != nil {
		return failsOver(ctx, err), c.failed(ctx, err, "", key)
	}
	_, version := f.indebted(key)
	if err := f.enter(ctx, key, whereabouts{state: decisive, holder: c.child.Name}, version, []string{c.child.Name}); err != nil {
		return false, err
	}
	f.tell(event.Replayed, c.child.Name, key)
	return false, nil
}

// newest opens the newest object of a key at its holder; nil if there is none.
func (f *failover) newest(ctx context.Context, key string, w whereabouts) (*storage.Reader, error) {
	if w.state == deleted {
		return nil, nil //nolint:nilnil // nothing is what there is
	}
	holder := f.child(w.holder)
	if holder == nil {
		return nil, w.unnamed()
	}
	r, err := holder.child.Store.Get(ctx, key, storage.GetOptions{Consistency: strongest(holder.child.Store)})
	holder.report(ctx, false, err)
	switch {
	case err == nil:
		return r, nil
	case storage.CodeOf(err) != storage.CodeNotFound:
		return nil, w.away(f.primary.child.Name, err)
	case !w.mayBeGone(time.Now()):
		return nil, w.lost()
	default:
		return nil, nil //nolint:nilnil // it expired, or was deleted there
	}
}

// hand makes c have what r reads from the holder of w, or nothing.
func (f *failover) hand(ctx context.Context, c *candidate, key string, w whereabouts, r *storage.Reader) error {
	ttl := time.Duration(0)
	if r != nil && !r.Object.ExpiresAt.IsZero() {
		ttl = time.Until(r.Object.ExpiresAt)
	}
	if r == nil || ttl < 0 {
		_, err := c.child.Store.Delete(ctx, key, storage.DeleteOptions{})
		return err
	}
	known := f.child(w.holder).outward(r.Object)
	res, err := c.child.Store.Put(ctx, key, r, storage.PutOptions{
		ContentType: r.Object.ContentType, Metadata: copyMetadata(known, c), TTL: ttl, SizeHint: r.Length,
	})
	if err == nil && (res.Object.Size != r.Object.Size || res.Object.CRC32C != r.Object.CRC32C) {
		return storage.Errorf(storage.CodeDataLoss, "%s stored %d bytes with checksum %08x instead of %d with %08x",
			c.child.Name, res.Object.Size, res.Object.CRC32C, r.Object.Size, r.Object.CRC32C)
	}
	return err
}

// strongest is the level at which a store is asked what it really has.
func strongest(s storage.Store) storage.Consistency {
	if s.Capabilities().Consistency.Has(storage.ConsistencyStrong) {
		return storage.ConsistencyStrong
	}
	return storage.ConsistencyDefault
}
