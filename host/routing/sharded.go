package routing

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/internal/turn"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// shard is a keyed store whose owners may have changed.
type shard struct {
	keyed
	listener event.Listener

	all       []*marked // the children, and behind them the previous ones
	migration atomic.Pointer[migration]
	turns     turn.Keys // of writes while there is a migration
	moving    moving
	worker    sync.WaitGroup
	stop      context.CancelFunc // nil: there is no worker
}

// migration is what is left of earlier topologies. It does not change.
type migration struct {
	id      uint64
	earlier []former // the oldest first
}

// former is an earlier topology.
type former struct {
	ring *rendezvous
	at   []int // of its shards → index in shard.all
}

// owners returns the earlier owners of key other than now, the latest first: if
// several have it, an earlier migration broke off, and the copy of the latest
// counts.
func (m *migration) owners(key string, now int) []int {
	var found []int
	for _, f := range slices.Backward(m.earlier) {
		if at := f.at[f.ring.owner(key)]; at != now && !slices.Contains(found, at) {
			found = append(found, at)
		}
	}
	return found
}

// remember adopts a topology, and begins to migrate from those before.
func (s *shard) remember(env Env, o Shard, now topology, child func(string) (Child, error)) error {
	if len(o.Previous) > 0 {
		children, err := childrenOf(s.policy, "previous", o.Previous, child)
		if err != nil {
			return err
		}
		for _, c := range children {
			if slices.Contains(o.Shards, c.Name) {
				return refused(s.policy, "%s is in shards and in previous; take it out of one of them", c.Name)
			}
			m := newMarked(c)
			s.all = append(s.all[:len(s.all):len(s.all)], &m)
		}
	}
	known, err := adopt(env.Journal, s.policy, now)
	if err != nil {
		return refused(s.policy, "%w", err)
	}
	if len(known.Earlier) == 0 {
		return nil
	}
	m := &migration{id: known.Current.ID}
	for _, t := range known.Earlier {
		f := former{ring: newRendezvous(t.Shards, t.Weights)}
		for _, ref := range t.Shards {
			at := slices.IndexFunc(s.all, func(c *marked) bool { return c.child.Name == ref })
			if at < 0 {
				return refused(s.policy, "%s was one of the shards and may still have keys; add previous = [%s] until they have moved", ref, ref)
			}
			f.at = append(f.at, at)
		}
		m.earlier = append(m.earlier, f)
	}
	s.migration.Store(m)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	mover := &mover{shard: s, migration: m, journal: env.Journal, limit: rate.NewLimiter(rate.Limit(o.MoveRate), max(1, o.MoveRate/10))}
	s.worker.Go(func() { mover.run(ctx) })
	return nil
}

func (s *shard) Close(context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	s.worker.Wait()
	return nil
}

// Capabilities are what all shards have; previous ones answer reads only.
func (s *shard) Capabilities() storage.Capabilities {
	caps := s.keyed.Capabilities()
	for _, c := range s.all[len(s.children):] {
		caps.Consistency &= c.child.Store.Capabilities().Consistency
	}
	return caps
}

// read asks the owner of key, and while keys move the earlier owners, and then
// the owner once more: a key that was at none of them when it was asked is
// missing.
func (s *shard) read(ctx context.Context, op, key string, ask func(c *marked) error) error {
	owner, err := s.owner(key)
	if err != nil {
		return err
	}
	c := s.children[owner]
	err = ask(c)
	m := s.migration.Load()
	if err == nil {
		return nil
	}
	if m == nil || storage.CodeOf(err) != storage.CodeNotFound {
		return s.failed(ctx, c, err, op, key)
	}
	former := m.owners(key, owner)
	for _, i := range former {
		err := ask(s.all[i])
		switch {
		case err == nil:
			return nil
		case storage.CodeOf(err) != storage.CodeNotFound:
			return s.formerFailed(ctx, s.all[i], err, op, key)
		}
	}
	if len(former) > 0 {
		if err = ask(c); err == nil {
			return nil
		}
	}
	return s.failed(ctx, c, err, op, key)
}

func (s *shard) formerFailed(ctx context.Context, c *marked, err error, op, key string) error {
	if failsOver(ctx, err) {
		err = blame(err, "policy "+s.policy+": the key belonged to "+c.child.Name+" and may not have moved yet")
	}
	return c.failure(err, op, key)
}

func (s *shard) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	if s.migration.Load() == nil {
		return s.keyed.Get(ctx, key, opts)
	}
	err = s.read(ctx, "get", key, func(c *marked) (err error) {
		r, err = c.get(ctx, key, opts)
		return err
	})
	return r, err
}

func (s *shard) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	if s.migration.Load() == nil {
		return s.keyed.Stat(ctx, key, opts)
	}
	err = s.read(ctx, "stat", key, func(c *marked) (err error) {
		o, err = c.stat(ctx, key, opts)
		return err
	})
	return o, err
}

func (s *shard) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	m := s.migration.Load()
	if m == nil {
		return s.keyed.Put(ctx, key, body, opts)
	}
	unlock, err := s.turns.Lock(ctx, key)
	if err != nil {
		return storage.PutResult{}, storage.AsError(err)
	}
	defer unlock()
	if opts.If, err = s.gather(ctx, m, "put", key, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	return s.keyed.Put(ctx, key, body, opts)
}

// Delete removes a key that has not moved from its earlier owners first.
func (s *shard) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	m := s.migration.Load()
	if m == nil {
		return s.keyed.Delete(ctx, key, opts)
	}
	unlock, err := s.turns.Lock(ctx, key)
	if err != nil {
		return storage.Deleted{}, storage.AsError(err)
	}
	defer unlock()
	if !opts.If.IsNone() {
		if opts.If, err = s.gather(ctx, m, "delete", key, opts.If); err != nil {
			return storage.Deleted{}, err
		}
		return s.keyed.Delete(ctx, key, opts)
	}
	owner, err := s.owner(key)
	if err != nil {
		return storage.Deleted{}, err
	}
	existed := storage.No
	for _, i := range slices.Backward(m.owners(key, owner)) {
		d, err := s.all[i].delete(ctx, key, opts)
		if err != nil {
			return storage.Deleted{}, s.formerFailed(ctx, s.all[i], err, "delete", key)
		}
		existed = eitherOf(existed, d.Existed)
	}
	d, err := s.keyed.Delete(ctx, key, opts)
	d.Existed = eitherOf(existed, d.Existed)
	return d, err
}

// eitherOf says whether one of two objects existed.
func eitherOf(a, b storage.Tristate) storage.Tristate {
	switch {
	case a == storage.Yes || b == storage.Yes:
		return storage.Yes
	case a == storage.Unknown || b == storage.Unknown:
		return storage.Unknown
	default:
		return storage.No
	}
}

// Copy goes through the host while keys move.
func (s *shard) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if s.migration.Load() == nil {
		return s.keyed.Copy(ctx, src, dst, opts)
	}
	return copyAcross(ctx, s, s, src, dst, opts)
}

// Batch is done one by one while keys move.
func (s *shard) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if s.migration.Load() == nil {
		return s.keyed.Batch(ctx, ops, opts)
	}
	return storage.Complete(struct{ storage.Backend }{s}).Batch(ctx, ops, opts)
}
