package supabase

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// stepResult is what batch answers for one operation: that of a read or of a
// write.
type stepResult struct {
	readResult
	OK      *bool  `json:"ok"`
	Reason  string `json:"reason"`
	ETag    string `json:"etag"`
	Created bool   `json:"created"`
	Existed bool   `json:"existed"`
}

// Batch implements storage.Batcher. All of it is one transaction, atomic or not.
func (b *backend) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return b.batch(ctx, ops, opts.Atomic, nil)
}

// Commit implements storage.Transactor.
func (b *backend) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return b.batch(ctx, tx.Ops, true, tx.Checks)
}

func (b *backend) batch(ctx context.Context, ops []storage.BatchOp, atomic bool, checks []storage.Check) ([]storage.BatchResult, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	values, err := b.stageValues(ctx, ops)
	if err != nil {
		return nil, err
	}
	room := int64(storage.MaxBatchBytes)
	steps := make([]map[string]any, len(ops))
	var keys []string // that are written
	for i := range ops {
		op := &ops[i]
		step := make(map[string]any)
		switch op.Kind {
		case storage.BatchPut:
			step = values[i].fields(op.Put, "")
			step["op"] = "put"
			room -= values[i].size
			keys = append(keys, op.Key)
		case storage.BatchDelete:
			step["op"] = "delete"
			step["condition"], step["etag"] = condition(op.Delete.If)
			keys = append(keys, op.Key)
		case storage.BatchStat:
			step["op"] = "stat"
		default:
			step["op"] = "get"
		}
		step["key"] = op.Key
		steps[i] = step
	}
	wanted := make([]map[string]string, len(checks))
	for i, c := range checks {
		wanted[i] = map[string]string{"key": c.Key, "etag": c.ETag}
	}
	r, err := b.writer.write(ctx, "batch", keys, map[string]any{
		"p_namespace": b.config.Namespace, "p_ops": steps, "p_atomic": atomic, "p_room": room, "p_checks": wanted,
	})
	if err == nil && !r.OK || err != nil && !storage.AsError(err).OutcomeUnknown {
		b.discardStaged(ctx, values)
	}
	if err != nil {
		return nil, err
	}
	return b.batchResults(ctx, ops, values, r)
}

// stageValues makes ready what puts are to store, and uploads what is too large
// for the table.
func (b *backend) stageValues(ctx context.Context, ops []storage.BatchOp) (values []value, err error) {
	values = make([]value, len(ops))
	defer func() {
		if err != nil {
			b.discardStaged(ctx, values)
		}
	}()
	for i := range ops {
		if ops[i].Kind != storage.BatchPut {
			continue
		}
		p := ops[i].Value
		v := &values[i]
		v.size, v.crc, v.inline = int64(len(p)), storage.Checksum(0, p), p
		if v.size <= int64(b.config.InlineLimit) {
			continue
		}
		v.object = b.bucket.newName(b.config.Namespace)
		if err := b.bucket.upload(ctx, v.object, spoolBytes(p)); err != nil {
			return values, err
		}
	}
	return values, nil
}

func (b *backend) discardStaged(ctx context.Context, values []value) {
	for i := range values {
		if values[i].object != "" {
			b.discard(ctx, values[i].object)
		}
	}
}

func (b *backend) batchResults(ctx context.Context, ops []storage.BatchOp, values []value, r *writeResult) ([]storage.BatchResult, error) {
	switch {
	case r.Reason == reasonAborted:
		e := storage.Errorf(storage.CodeAborted, "the object changed since it was read")
		e.Key, e.Current, e.Temporary = r.Key, r.ETag, false
		return nil, e
	case !r.OK && r.Reason != reasonFailed:
		return nil, unexpected("batch", r.Reason)
	case len(r.Results) != len(ops):
		return nil, storage.Errorf(storage.CodeInternal, "the project gave %d results for %d operations", len(r.Results), len(ops))
	}
	results := make([]storage.BatchResult, len(ops))
	failed := -1
	for i := range ops {
		if results[i] = b.batchResult(ctx, &ops[i], &values[i], &r.Results[i], r.OK); results[i].Err != nil {
			failed = i
		}
	}
	if r.OK {
		return results, nil
	}
	for i := range results {
		if results[i].Err == nil {
			results[i] = storage.BatchResult{
				Err: storage.Errorf(storage.CodeAborted, "nothing was done, because operation %d of the batch failed", failed),
			}
		}
	}
	return results, nil
}

// batchResult is the result of one operation. done: the batch was committed.
func (b *backend) batchResult(ctx context.Context, op *storage.BatchOp, v *value, s *stepResult, done bool) storage.BatchResult {
	if err := s.failure(op); err != nil {
		return storage.BatchResult{Err: err}
	}
	switch op.Kind {
	case storage.BatchPut:
		put := v.put(op.Key, s.Version, &writeResult{Created: s.Created, ModifiedAt: s.ModifiedAt, ExpiresAt: s.ExpiresAt}, op.Put)
		return storage.BatchResult{Object: put.Object, Created: put.Created}
	case storage.BatchDelete:
		return storage.BatchResult{Existed: storage.TristateOf(s.Existed)}
	case storage.BatchStat:
		return storage.BatchResult{Object: s.object(op.Key)}
	default:
		res := storage.BatchResult{Object: s.object(op.Key), Value: s.Value}
		if s.Object != "" && done {
			res.Value, res.Err = b.fetch(ctx, op.Key, s)
		}
		return res
	}
}

func (s *stepResult) failure(op *storage.BatchOp) error {
	if s.OK == nil || *s.OK {
		return s.err()
	}
	switch s.Reason {
	case reasonCondition:
		if op.Kind == storage.BatchDelete {
			return refused(op.Delete.If, s.ETag)
		}
		return refused(op.Put.If, s.ETag)
	case reasonCondemned:
		return errCondemned
	case reasonRoom:
		return storage.Errorf(storage.CodeTooLarge, "the values of the batch, sent and read, have more than %d bytes", storage.MaxBatchBytes)
	default:
		return unexpected("batch", s.Reason)
	}
}

// fetch reads a value that is in the bucket.
func (b *backend) fetch(ctx context.Context, key string, s *stepResult) ([]byte, error) {
	body, err := b.openObject(ctx, s.Object, 0, s.Size)
	if err != nil {
		return nil, err
	}
	return storage.NewReader(s.object(key), 0, s.Size, body).Bytes()
}
