package routing

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Passes of a mover that met with failures are repeated after a wait that
// doubles.
const leastMoveWait, mostMoveWait = time.Second, time.Minute

// mover moves the keys of a shard that are misplaced, until a whole pass finds
// none.
type mover struct {
	shard     *shard
	migration *migration
	journal   *journal.Journal
	limit     *rate.Limiter
}

func (m *mover) run(ctx context.Context) {
	at := m.resume()
	wait := leastMoveWait
	for {
		settled, failed := m.pass(ctx, &at)
		switch {
		case ctx.Err() != nil, settled:
			return
		case !failed:
			wait = leastMoveWait
			continue
		}
		if !nap(ctx, nil, wait, true) {
			return
		}
		wait = min(2*wait, mostMoveWait)
	}
}

// resume returns where the host left off when it ended.
func (m *mover) resume() cursor {
	var at cursor
	if err := load(m.journal, cursorValue(m.shard.policy), &at); err != nil || at.ID != m.migration.id {
		return cursor{ID: m.migration.id}
	}
	return at
}

// former are the children of earlier topologies.
func (m *mover) former() []int {
	var all []int
	for _, f := range m.migration.earlier {
		for _, at := range f.at {
			if !slices.Contains(all, at) {
				all = append(all, at)
			}
		}
	}
	return all
}

// pass looks at the keys of all children of earlier topologies, from where at
// is. What cannot be moved is met again in the next pass; a child that does not
// answer ends this one, which goes on from there.
func (m *mover) pass(ctx context.Context, at *cursor) (settled, failed bool) {
	children := m.former()
	first := max(0, slices.IndexFunc(children, func(i int) bool { return m.shard.all[i].child.Name == at.Child }))
	for _, i := range children[first:] {
		if name := m.shard.all[i].child.Name; at.Child != name {
			at.Child, at.Token = name, ""
		}
		more := true
		for more {
			var stuck bool
			if more, stuck = m.page(ctx, i, at); stuck {
				return false, true
			}
		}
	}
	done := *at
	*at = cursor{ID: m.migration.id}
	if done.Found > 0 {
		err := save(m.journal, cursorValue(m.shard.policy), *at)
		return false, done.Failed > 0 || err != nil
	}
	if err := save(m.journal, settledValue(m.shard.policy), m.migration.id); err != nil {
		return false, true
	}
	m.shard.migration.Store(nil)
	_ = m.journal.SetValue(cursorValue(m.shard.policy), nil) // it is of no use, and of no harm
	return true, false
}

// page moves what is misplaced on a page of a child. Stuck: it cannot go on now.
func (m *mover) page(ctx context.Context, child int, at *cursor) (more, stuck bool) {
	page, err := m.shard.all[child].child.Store.List(ctx, storage.ListOptions{Token: at.Token, Limit: storage.DefaultListLimit})
	if err != nil {
		if storage.CodeOf(err) == storage.CodeInvalidArgument { // the token is none any more
			at.Token = ""
		}
		return false, true
	}
	for _, o := range page.Objects {
		owner, err := m.shard.owner(o.Key)
		if err != nil || owner == child || !slices.Contains(m.migration.owners(o.Key, owner), child) {
			continue // it is where it belongs, or was never the shard's
		}
		at.Found++
		if err := m.move(ctx, o.Key); err != nil {
			if at.Failed++; ctx.Err() != nil || storage.CodeOf(err).Unhealthy() {
				return false, true
			}
		}
	}
	at.Token = page.NextToken
	if at.Token == "" {
		return false, false
	}
	return true, save(m.journal, cursorValue(m.shard.policy), *at) != nil
}

func (m *mover) move(ctx context.Context, key string) error {
	if err := m.limit.Wait(ctx); err != nil {
		return err
	}
	unlock, err := m.shard.turns.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = m.shard.gather(ctx, m.migration, "", key, storage.Condition{})
	return err
}
