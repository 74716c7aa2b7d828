package routing

import (
	"context"
	"slices"
	"sync"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/internal/turn"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// failover is first_available whose writes fail over too, or did so until its
// configuration changed and are still owed.
//
// Writes of a key take turns, and so do reads that ask for more than the default
// consistency. A write goes to the first child that takes it; then the journal is
// told, durably, where the newest state of the key is, and then the write is
// acknowledged. So the journal never says that a child has what it has not, and
// a write that was under way when the host ended has happened where the journal
// says that the key is, or not at all.
//
// The primary is written to directly as soon as it works; what it owes for that
// key is void then. Everything else it missed it is given in the background.
type failover struct {
	*firstAvailable
	env Env
	// moves is set if writes may fail over.
	moves   bool
	log     *journal.Log
	keys    *turn.Keys
	targets []string      // all that the journal may know of: the children, and former ones
	singly  storage.Store // its batches are done one by one

	end  context.CancelFunc
	work sync.WaitGroup
}

// owesFailover reports whether a policy still has to replay writes that failed
// over.
func owesFailover(log *journal.Log) bool {
	return slices.ContainsFunc(log.Targets(), func(target string) bool { return log.Backlog(target).Entries > 0 })
}

func newFailover(p *firstAvailable, env Env, moves bool) (storage.Store, error) {
	f := &failover{firstAvailable: p, env: env, moves: moves, log: env.Journal.Keeping(p.name)}
	f.keys = f.log.Turns()
	p.stale = f.stale
	for _, c := range p.order {
		if err := checkReference(p.name, c.child.Name); err != nil {
			return nil, err
		}
		c.copies = true
		f.targets = append(f.targets, c.child.Name)
	}
	for _, former := range f.log.Targets() {
		if !slices.Contains(f.targets, former) {
			f.targets = append(f.targets, former)
		}
	}
	f.singly = storage.Complete(singly{f})
	life, end := context.WithCancel(context.Background())
	f.end = end
	for _, c := range p.order {
		f.work.Go(func() { f.replay(life, c) })
	}
	return failoverStore{storage.Complete(f), f}, nil
}

// Close ends the replay. What is not done stays in the journal.
func (f *failover) Close(context.Context) error {
	f.end()
	f.work.Wait()
	return nil
}

// Capabilities are those of the primary, without what a child that takes its
// writes cannot do. There is no Watch: the primary hears of what it missed late,
// and of what was replaced meanwhile never.
func (f *failover) Capabilities() storage.Capabilities {
	caps := f.firstAvailable.Capabilities()
	caps.Batch, caps.Copy = true, true
	if !f.moves {
		return caps
	}
	caps.Watch = false
	for _, c := range f.order[1:] {
		both := caps.Intersect(c.child.Store.Capabilities())
		caps.TTL, caps.Durable, caps.MaxValueSize = both.TTL, both.Durable, both.MaxValueSize
		caps.Consistency = both.Consistency | storage.ConsistencyLevels(storage.ConsistencyEventual)
	}
	return caps
}

// Backlogs implements [Reporter].
func (f *failover) Backlogs() []journal.Backlog {
	all := make([]journal.Backlog, 0, len(f.order))
	for _, c := range f.order {
		all = append(all, f.log.Backlog(c.child.Name))
	}
	return all
}

// child returns the child of a reference, nil if it is none any more.
func (f *failover) child(ref string) *candidate {
	if i := slices.IndexFunc(f.order, func(c *candidate) bool { return c.child.Name == ref }); i >= 0 {
		return f.order[i]
	}
	return nil
}

// failoverStore is the policy as a Store.
type failoverStore struct {
	storage.Store
	policy *failover
}

// Backlogs implements [Reporter].
func (s failoverStore) Backlogs() []journal.Backlog { return s.policy.Backlogs() }

// singly is the policy without batches.
type singly struct{ *failover }

func (s singly) Capabilities() storage.Capabilities {
	caps := s.failover.Capabilities()
	caps.Batch = false
	return caps
}
