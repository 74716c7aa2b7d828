package routing

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Delete removes all copies, the newest last: an older one is never seen again,
// also if it breaks off. A child that may have one must answer.
func (p *placed) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	unlock, err := p.turns.Lock(ctx, key)
	if err != nil {
		return storage.Deleted{}, storage.AsError(err)
	}
	defer unlock()
	seen := p.settle(ctx, key, opts.Session)
	current, err := seen.current(ctx, storage.ConsistencyDefault)
	if err != nil {
		return storage.Deleted{}, err
	}
	if slices.ContainsFunc(seen.failed, func(f failure) bool { return p.debts.any(p.children[f.child], key) }) {
		return storage.Deleted{}, seen.unknown(ctx)
	}
	if err := opts.If.Check(p.etagOf(current)); err != nil {
		return storage.Deleted{}, err
	}
	done := max(p.clock.Next(), newestOf(seen)+1)
	for _, c := range slices.Backward(seen.copies) {
		child := p.children[c.child]
		of := storage.DeleteOptions{Consistency: opts.Consistency, Session: opts.Session}
		if current != nil && c.child == current.child {
			of.If = opts.If
		}
		if _, err := child.delete(ctx, key, of); err != nil {
			p.owners.set(key, nowhere, done)
			return storage.Deleted{}, p.failed(ctx, child, err, "delete", key)
		}
		p.debts.settle(child, key, done)
	}
	p.owners.set(key, nowhere, done)
	return storage.Deleted{Existed: storage.TristateOf(current != nil)}, nil
}

func newestOf(s *sighting) storage.Version {
	if len(s.copies) == 0 {
		return 0
	}
	return s.copies[0].stamp.version
}
