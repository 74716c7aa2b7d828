package routing

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Batch goes to the primary as one as long as it missed nothing of the keys and
// nothing depends on order or conditions; what fails there in a way that may fail
// over is done again by one. An atomic batch never fails over.
func (f *failover) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if opts.Atomic {
		return f.together(ctx, event.OpBatch, keysOf(ops, true), ops, func(ops []storage.BatchOp) ([]storage.BatchResult, error) {
			return f.firstAvailable.Batch(ctx, ops, opts)
		})
	}
	results, err := f.asOne(ctx, ops, opts)
	switch {
	case err != nil && failsOver(ctx, err):
		redone, again := f.singly.Batch(ctx, ops, opts)
		for i := range redone {
			redone[i] = after(err, ops[i], redone[i])
		}
		if again != nil && mayHaveHappened(err) {
			again = unsure(again, true)
		}
		return redone, again
	case err != nil:
		return nil, err
	}
	var again []int
	for i, r := range results {
		if r.Err != nil && failsOver(ctx, r.Err) {
			again = append(again, i)
		}
	}
	if len(again) == 0 {
		return results, nil
	}
	rest := make([]storage.BatchOp, len(again))
	for n, i := range again {
		rest[n] = ops[i]
	}
	redone, err := f.singly.Batch(ctx, rest, opts)
	for n, i := range again {
		if err == nil {
			results[i] = after(results[i].Err, ops[i], redone[n])
		}
	}
	return results, nil
}

// after is the result of an operation that failed with before and was done again:
// what the first time may have done, it does not deny.
func after(before error, op storage.BatchOp, r storage.BatchResult) storage.BatchResult {
	if op.Kind != storage.BatchPut && op.Kind != storage.BatchDelete || !mayHaveHappened(before) {
		return r
	}
	r.Created, r.Existed = storage.Unknown, storage.Unknown
	if r.Err != nil {
		r.Err = unsure(r.Err, true)
	}
	return r
}

// asOne runs a batch at once. It refuses one that has to be done by one as
// Unavailable.
func (f *failover) asOne(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	keys := keysOf(ops, true)
	slices.Sort(keys)
	if len(slices.Compact(keys)) < len(ops) || slices.ContainsFunc(ops, func(op storage.BatchOp) bool { return !op.Put.If.IsNone() || !op.Delete.If.IsNone() }) {
		return nil, errByOne()
	}
	unlock, err := f.keys.Lock(ctx, keysOf(ops, !anyone(opts.Consistency))...)
	if err != nil {
		return nil, unsure(err, false)
	}
	defer unlock()
	for _, op := range ops {
		if children, _ := f.indebted(op.Key); len(children) > 0 {
			return nil, errByOne()
		}
	}
	return f.firstAvailable.Batch(ctx, asNewOps(ops), opts)
}

func errByOne() error { return storage.Errorf(storage.CodeUnavailable, "the batch is done by one") }

func asNewOps(ops []storage.BatchOp) []storage.BatchOp {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Put.Metadata = asNew(ops[i].Put.Metadata)
	}
	return ops
}

// Copy is the primary's own if it missed nothing of both keys. A source that was
// copied to the primary itself is not: its etag must not become that of two
// versions.
func (f *failover) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	res, err := f.copyThere(ctx, src, dst, opts)
	may := err != nil && mayHaveHappened(err)
	if err == nil || !failsOver(ctx, err) || !opts.If.IsNone() && may {
		return res, err
	}
	res, err = copyAcross(ctx, f, f, src, dst, opts)
	if may {
		if res.Created = storage.Unknown; err != nil {
			err = unsure(err, true)
		}
	}
	return res, err
}

// copyThere copies within the primary. Unavailable: it must be done otherwise.
func (f *failover) copyThere(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	unlock, err := f.keys.Lock(ctx, src, dst)
	if err != nil {
		return storage.PutResult{}, unsure(err, false)
	}
	defer unlock()
	for _, key := range []string{src, dst} {
		if children, _ := f.indebted(key); len(children) > 0 {
			return storage.PutResult{}, storage.Errorf(storage.CodeUnavailable, "a child missed a write")
		}
	}
	o, err := f.firstAvailable.Stat(ctx, src, storage.StatOptions{IfMatch: opts.SourceIfMatch})
	switch {
	case err != nil:
		return storage.PutResult{}, err
	case !f.primary.owns(o.ETag):
		return storage.PutResult{}, storage.Errorf(storage.CodeUnavailable, "the source is not the primary's own")
	}
	return f.firstAvailable.Copy(ctx, src, dst, opts)
}

// List gives the primary what it missed, and lists it then. If that cannot be
// done the listing is Unavailable, or partial: without the keys that are missed.
func (f *failover) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	err := f.pass(ctx, f.primary, true)
	switch {
	case ctx.Err() != nil:
		return storage.Page{}, storage.AsError(ctx.Err())
	case err != nil && !opts.AllowPartial:
		e := storage.Errorf(storage.CodeUnavailable, "policy %q: %s missed writes and cannot be given them: %w", f.name, f.primary.child.Name, err)
		e.RetryAfter = storage.AsError(err).RetryAfter
		return storage.Page{}, storage.Annotate(e, "list", "")
	}
	page, listErr := f.firstAvailable.List(ctx, opts)
	if listErr != nil || err == nil {
		return page, listErr
	}
	page.Partial = true
	page.FailedBackends = noted(page.FailedBackends, f.primary.child.Name)
	page.Objects = slices.DeleteFunc(page.Objects, func(o storage.Object) bool { return f.stale(f.primary, o.Key) })
	return page, nil
}
