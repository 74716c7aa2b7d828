package routing

import (
	"context"
	"fmt"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// What depends on conditions, or is all or nothing, is decided by the primary:
// two children could decide differently. It is given what it missed first.

// ready takes the turns of keys and gives the primary what it missed of them.
func (f *failover) ready(ctx context.Context, keys ...string) (unlock func(), err error) {
	unlock, err = f.keys.Lock(ctx, keys...)
	if err != nil {
		return nil, unsure(err, false)
	}
	for _, key := range keys {
		if _, err := f.catchUp(ctx, f.primary, key, true); err != nil {
			unlock()
			if ctx.Err() != nil {
				return nil, unsure(ctx.Err(), false)
			}
			e := storage.Errorf(storage.CodeUnavailable, "it is decided by %s, which missed a write to the key and cannot be given it: %w", f.primary.child.Name, err)
			e.RetryAfter = storage.AsError(err).RetryAfter
			return nil, storage.Annotate(e, "", key)
		}
	}
	return unlock, nil
}

// stays explains why a write did not fail over.
func stays(ctx context.Context, err error) error {
	e := storage.AsError(err)
	if failsOver(ctx, err) {
		e.Err = fmt.Errorf("writes that are conditional or atomic never fail over to another backend: %w", e.Err)
	}
	return e
}

func (f *failover) putIf(ctx context.Context, key string, s *spool, opts storage.PutOptions) (storage.PutResult, error) {
	unlock, err := f.ready(ctx, key)
	if err != nil {
		return storage.PutResult{}, stays(ctx, err)
	}
	defer unlock()
	res, err := f.firstAvailable.Put(ctx, key, s.open(), opts)
	if err == nil {
		err = f.decided(ctx, event.OpPut, key)
	}
	if err != nil {
		return storage.PutResult{}, stays(ctx, err)
	}
	return res, nil
}

func (f *failover) deleteIf(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	unlock, err := f.ready(ctx, key)
	if err != nil {
		return storage.Deleted{}, stays(ctx, err)
	}
	defer unlock()
	d, err := f.firstAvailable.Delete(ctx, key, opts)
	if err == nil {
		err = f.decided(ctx, event.OpDelete, key)
	}
	if err != nil {
		return storage.Deleted{}, stays(ctx, err)
	}
	return d, nil
}

// decided records that the primary has the newest state of a key.
func (f *failover) decided(ctx context.Context, op event.Op, key string) error {
	return f.acknowledge(ctx, op, key, whereabouts{state: decisive, holder: f.primary.child.Name})
}

func (f *failover) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	keys := keysOf(tx.Ops, true)
	for _, check := range tx.Checks {
		keys = append(keys, check.Key)
	}
	return f.together(ctx, event.OpCommit, keys, tx.Ops, func(ops []storage.BatchOp) ([]storage.BatchResult, error) {
		tx.Ops = ops
		return f.firstAvailable.Commit(ctx, tx)
	})
}

// together runs operations at the primary that are all or nothing.
func (f *failover) together(ctx context.Context, op event.Op, keys []string, ops []storage.BatchOp, run func([]storage.BatchOp) ([]storage.BatchResult, error)) ([]storage.BatchResult, error) {
	unlock, err := f.ready(ctx, keys...)
	if err != nil {
		return nil, stays(ctx, err)
	}
	defer unlock()
	results, err := run(asNewOps(ops))
	if err != nil {
		return nil, stays(ctx, err)
	}
	for i, r := range results {
		if kind := ops[i].Kind; r.Err == nil && (kind == storage.BatchPut || kind == storage.BatchDelete) {
			if err := f.decided(ctx, op, ops[i].Key); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// keysOf are the keys that ops write, and those they read if all is set.
func keysOf(ops []storage.BatchOp, all bool) []string {
	var keys []string
	for _, op := range ops {
		if all || op.Kind == storage.BatchPut || op.Kind == storage.BatchDelete {
			keys = append(keys, op.Key)
		}
	}
	return keys
}
