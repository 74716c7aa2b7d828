package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// gather moves key to its owner from wherever else it may be, and returns what
// the condition of a write is at the owner: the object has another etag there.
// The caller has the key's turn.
func (s *shard) gather(ctx context.Context, m *migration, op, key string, cond storage.Condition) (storage.Condition, error) {
	owner, err := s.owner(key)
	if err != nil {
		return cond, err
	}
	for _, i := range m.owners(key, owner) {
		was, now, err := s.bring(ctx, key, s.all[i], s.children[owner])
		if err != nil {
			e := storage.AsError(err)
			e.Op = op
			return cond, e
		}
		if was != "" && cond.Kind == storage.ConditionETag && cond.ETag == was {
			cond.ETag = now
		}
	}
	return cond, nil
}

// bring moves key from one child to another, if it is there, and returns the
// etags that callers know it by before and after; none if it did not move. An
// object that the other has counts more than the one that would be moved, which
// is deleted. The caller has the key's turn.
func (s *shard) bring(ctx context.Context, key string, from, to *marked) (was, now string, err error) {
	for range attempts {
		again := false
		if was, now, again, err = s.tryBring(ctx, key, from, to); err != nil || !again {
			return was, now, err
		}
	}
	return "", "", storage.Annotate(storage.Errorf(storage.CodeUnavailable,
		"policy %q: another host keeps writing the key to %s; give all hosts the same shards", s.policy, from.child.Name), "", key)
}

// tryBring is bring once. Again: somebody else wrote to from meanwhile.
func (s *shard) tryBring(ctx context.Context, key string, from, to *marked) (was, now string, again bool, err error) {
	defer s.moving.begin(key)()
	r, err := from.child.Store.Get(ctx, key, storage.GetOptions{})
	switch {
	case err != nil && storage.CodeOf(err) == storage.CodeNotFound:
		return "", "", false, nil
	case err != nil:
		return "", "", false, s.formerFailed(ctx, from, err, "", key)
	}
	defer r.Close()
	there := to.child.Store.Capabilities()
	put := storage.PutOptions{ContentType: r.Object.ContentType, Metadata: r.Object.Metadata, SizeHint: r.Length}
	if at := r.Object.ExpiresAt; !at.IsZero() {
		if put.TTL = time.Until(at); put.TTL <= 0 {
			return "", "", false, nil
		}
	}
	if there.ConditionalPut {
		put.If = storage.IfAbsent()
	} else if _, err := to.child.Store.Stat(ctx, key, storage.StatOptions{}); err == nil {
		return "", "", false, s.removeFrom(ctx, key, from, r.Object.ETag)
	} else if storage.CodeOf(err) != storage.CodeNotFound {
		return "", "", false, s.failed(ctx, to, err, "", key)
	}
	res, err := to.child.Store.Put(ctx, key, r, put)
	switch {
	case err != nil && storage.CodeOf(err) == storage.CodeFailedPrecondition:
		return "", "", false, s.removeFrom(ctx, key, from, r.Object.ETag)
	case err != nil:
		return "", "", false, s.failed(ctx, to, err, "", key)
	case res.Object.Size != r.Object.Size || res.Object.CRC32C != r.Object.CRC32C:
		_ = deleteVersion(ctx, to.child.Store, key, res.Object.ETag)
		return "", "", false, storage.Annotate(storage.Errorf(storage.CodeDataLoss,
			"policy %q: %s has something else than was moved to it from %s", s.policy, to.child.Name, from.child.Name), "", key)
	}
	gone, changed, err := takeAway(ctx, from.child.Store, key, r.Object.ETag)
	if err != nil {
		return "", "", false, s.formerFailed(ctx, from, err, "", key)
	}
	if gone || changed {
		// Another host moved the key and deleted it since, or wrote to it here:
		// what was copied no longer counts.
		if err := deleteVersion(ctx, to.child.Store, key, res.Object.ETag); err != nil && storage.CodeOf(err) != storage.CodeFailedPrecondition {
			return "", "", false, s.failed(ctx, to, err, "", key)
		}
		return "", "", changed, nil
	}
	s.listener.Policy(event.PolicyInfo{Policy: s.policy, Event: event.Moved, Child: to.child.Name, Key: key})
	return from.qualify(r.Object.ETag), to.qualify(res.Object.ETag), false, nil
}

// removeFrom deletes what does not count, unless it has changed: then it is seen
// at the next attempt.
func (s *shard) removeFrom(ctx context.Context, key string, from *marked, etag string) error {
	if _, _, err := takeAway(ctx, from.child.Store, key, etag); err != nil {
		return s.formerFailed(ctx, from, err, "", key)
	}
	return nil
}

// takeAway deletes the version with etag. Gone: there was none; changed: there
// is another, which was left alone.
func takeAway(ctx context.Context, store storage.Store, key, etag string) (gone, changed bool, err error) {
	var opts storage.DeleteOptions
	if store.Capabilities().ConditionalDelete {
		opts.If = storage.IfETag(etag)
	}
	d, err := store.Delete(ctx, key, opts)
	e := storage.AsError(err)
	if e != nil && e.Code == storage.CodeFailedPrecondition && !e.OutcomeUnknown { // or it may be our own doing
		return e.Current == "", e.Current != "", nil
	}
	return err == nil && d.Existed == storage.No, false, err
}
