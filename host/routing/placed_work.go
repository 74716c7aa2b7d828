package routing

import (
	"context"
	"errors"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// debtsAtOnce is how many debts are taken from the journal at a time.
	debtsAtOnce = 256
	// Debts that could not be paid are tried again after a wait that doubles.
	leastDebtWait, mostDebtWait = time.Second, time.Minute
	// scanRate is how many keys per second are looked at when a child has to be
	// scanned.
	scanRate = 500
)

// workOff pays what a child owes, at once after a restart, and whenever there is
// more.
func (p *placed) workOff(ctx context.Context, child int) {
	name := p.children[child].child.Name
	wake := p.debts.log.Wake(name)
	wait := leastDebtWait
	for {
		err := p.payAll(ctx, child)
		if err == nil {
			wait = leastDebtWait
		}
		if !nap(ctx, wake, wait, err != nil) {
			return
		}
		if err != nil {
			wait = min(2*wait, mostDebtWait)
		}
	}
}

// nap returns true when wake received, or after a while if there is something to
// try again; false when ctx is done.
func nap(ctx context.Context, wake <-chan struct{}, while time.Duration, again bool) bool {
	timer := time.NewTimer(while)
	defer timer.Stop()
	retry := timer.C
	if !again {
		retry = nil
	}
	select {
	case <-wake:
		return ctx.Err() == nil
	case <-retry:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (p *placed) payAll(ctx context.Context, child int) error {
	c := p.children[child]
	name := c.child.Name
	if info := c.child.state(); info.State == event.BreakerOpen {
		return storage.Errorf(storage.CodeUnavailable, "%s is down", name)
	}
	if mark, dirty := p.debts.log.Dirty(name); dirty {
		if err := p.scan(ctx, child); err != nil {
			return err
		}
		return p.debts.log.Clean(name, mark)
	}
	var failures error
	for debts := p.debts.log.Ripe(name, debtsAtOnce); len(debts) > 0; debts = p.debts.log.RipeAfter(name, debts[len(debts)-1], debtsAtOnce) {
		for _, debt := range debts {
			err := p.pay(ctx, child, debt)
			failures = errors.Join(failures, err)
			if ctx.Err() != nil || err != nil && storage.CodeOf(err).Unhealthy() {
				return failures
			}
		}
	}
	return failures
}

// pay removes the copy that a child should not have. The entry may have been
// paid since it was read.
func (p *placed) pay(ctx context.Context, child int, debt journal.Entry) error {
	unlock, err := p.turns.Lock(ctx, debt.Key)
	if err != nil {
		return err
	}
	defer unlock()
	c := p.children[child]
	debt, owed := p.debts.log.Entry(c.child.Name, debt.Key)
	if !owed {
		return nil
	}
	if err := fence(ctx, c.child.Store, debt.Key); err != nil {
		return err
	}
	o, err := c.child.Store.Stat(ctx, debt.Key, storage.StatOptions{})
	switch {
	case err != nil && storage.CodeOf(err) != storage.CodeNotFound:
		return err
	case err == nil && uint64(stateOf(o).stamp.version) < debt.Version:
		if err := p.payWith(ctx, child, debt, o); err != nil {
			return err
		}
	}
	p.debts.log.Settle(c.child.Name, debt.Key, debt.Version)
	p.owners.reset(debt.Key)
	return nil
}

// payWith deletes o, unless it is what counts because the newer version was
// never written.
func (p *placed) payWith(ctx context.Context, child int, debt journal.Entry, o storage.Object) error {
	if stateOf(o).stamp.version >= floorOf(debt) {
		newer, err := p.newerThan(ctx, child, debt.Key, stateOf(o).stamp)
		if err != nil || !newer {
			return err
		}
	}
	defer p.moving.begin(debt.Key)()
	if err := deleteVersion(ctx, p.children[child].child.Store, debt.Key, o.ETag); err != nil {
		return err
	}
	p.tell(event.Replayed, child, debt.Key, nil)
	return nil
}

// newerThan reports whether another child has a newer copy.
func (p *placed) newerThan(ctx context.Context, child int, key string, than stamp) (bool, error) {
	seen := p.settle(ctx, key, nil)
	for _, c := range seen.copies {
		if c.child != child && c.standing != dead && than.less(c.stamp) {
			return true, nil
		}
	}
	if len(seen.failed) > 0 {
		return false, seen.unknown(ctx)
	}
	return false, nil
}

// scan looks for copies of a child that are older than those of others: the
// journal had no room for all that it owes.
func (p *placed) scan(ctx context.Context, child int) error {
	c := p.children[child]
	pace := time.NewTicker(time.Second / scanRate)
	defer pace.Stop()
	opts := storage.ListOptions{Limit: storage.DefaultListLimit}
	for {
		page, err := c.child.Store.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := p.dropStale(ctx, child, o.Key); err != nil {
				return err
			}
		}
		if opts.Token = page.NextToken; opts.Token == "" {
			return nil
		}
	}
}

// dropStale deletes the copy of a child if another has a newer one.
func (p *placed) dropStale(ctx context.Context, child int, key string) error {
	unlock, err := p.turns.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	seen := p.settle(ctx, key, nil)
	mine, newest := seen.of(child), seen.newest()
	switch {
	case len(seen.failed) > 0:
		return seen.unknown(ctx)
	case mine == nil || newest == nil || newest.child == child || !mine.stamp.less(newest.stamp):
		return nil
	}
	defer p.moving.begin(key)()
	if err := deleteVersion(ctx, p.children[child].child.Store, key, mine.object.ETag); err != nil {
		return err
	}
	p.tell(event.Replayed, child, key, nil)
	return nil
}
