package supabase

import (
	"context"
	"errors"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// stepResult is what batch answers for one operation: that of a read or of a
// write.
type stepResult struct {
	readResult
	OK        *bool  `json:"ok"`
	Reason    string `json:"reason"`
	ETag      string `json:"etag"`
	Created   bool   `json:"created"`
	Existed   bool   `json:"existed"`
	Forgotten bool   `json:"forgotten"` // the value that was read is not kept for a repeated request
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
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var keys []string // that are written
	for i := range ops {
		if ops[i].Kind == storage.BatchPut || ops[i].Kind == storage.BatchDelete {
			keys = append(keys, ops[i].Key)
		}
	}
	if len(keys) == 0 && len(checks) == 0 {
		return b.readBatch(ctx, ops, atomic)
	}
	values, err := b.stageValues(ctx, ops)
	if err != nil {
		return nil, err
	}
	r, err := b.commitBatch(ctx, keys, ops, values, atomic, checks)
	if err != nil {
		if !storage.AsError(err).OutcomeUnknown {
			b.discardStaged(values, nil)
		}
		return nil, err
	}
	b.discardStaged(values, r)
	return b.batchResults(ctx, ops, values, r)
}

func (b *backend) commitBatch(ctx context.Context, keys []string, ops []storage.BatchOp, values []value, atomic bool, checks []storage.Check) (*writeResult, error) {
	inline, room := int64(0), int64(storage.MaxBatchBytes)
	steps := make([]map[string]any, len(ops))
	for i := range ops {
		steps[i] = step(&ops[i], &values[i])
		inline += int64(len(values[i].inline))
		room -= values[i].size
	}
	wanted := make([]map[string]string, len(checks))
	for i, c := range checks {
		wanted[i] = map[string]string{"key": c.Key, "etag": c.ETag}
	}
	if err := b.encoding.Acquire(ctx, inline); err != nil {
		return nil, cause(ctx)
	}
	defer b.encoding.Release(inline)
	return b.writer.write(ctx, "batch", keys, map[string]any{
		"p_namespace": b.config.Namespace, "p_ops": steps, "p_atomic": atomic, "p_room": room, "p_checks": wanted,
	})
}

// step spells an operation for the function batch.
func step(op *storage.BatchOp, v *value) map[string]any {
	step := make(map[string]any)
	switch op.Kind {
	case storage.BatchPut:
		step = v.fields(op.Put, "")
		step["op"] = "put"
	case storage.BatchDelete:
		step["op"] = "delete"
		step["condition"], step["etag"] = condition(op.Delete.If)
	case storage.BatchStat:
		step["op"] = "stat"
	default:
		step["op"] = "get"
	}
	step["key"] = op.Key
	return step
}

// readBatch reads all in one call, and so from one state.
func (b *backend) readBatch(ctx context.Context, ops []storage.BatchOp, atomic bool) ([]storage.BatchResult, error) {
	items := make([]readItem, len(ops))
	for i := range ops {
		items[i] = readItem{Key: ops[i].Key, Value: ops[i].Kind == storage.BatchGet}
	}
	read, err := b.readMany(ctx, items, storage.MaxBatchBytes)
	if err != nil {
		return nil, err
	}
	r := &writeResult{OK: true, Results: make([]stepResult, len(ops))}
	for i := range read {
		s := &r.Results[i]
		if s.readResult = read[i]; s.Later {
			s.OK, s.Reason = new(bool), reasonRoom
		}
		if atomic && (s.Later || s.err() != nil) {
			r.OK, r.Reason = false, reasonFailed
		}
	}
	return b.batchResults(ctx, ops, make([]value, len(ops)), r)
}

// stageValues makes ready what puts are to store, and uploads what is too large
// for the table.
func (b *backend) stageValues(ctx context.Context, ops []storage.BatchOp) (values []value, err error) {
	values = make([]value, len(ops))
	defer func() {
		if err != nil {
			b.discardStaged(values, nil)
		}
	}()
	for i := range ops {
		if ops[i].Kind != storage.BatchPut {
			continue
		}
		p := ops[i].Value
		v := &values[i]
		v.size, v.crc = int64(len(p)), storage.Checksum(0, p)
		if v.size <= int64(b.config.InlineLimit) {
			v.inline = p
			continue
		}
		if err := b.stageObject(ctx, v, p); err != nil {
			return values, err
		}
	}
	return values, nil
}

func (b *backend) stageObject(ctx context.Context, v *value, p []byte) error {
	if b.bucket.name == "" {
		return b.tooLarge()
	}
	if err := b.uploads.Acquire(ctx, 1); err != nil {
		return cause(ctx)
	}
	defer b.uploads.Release(1)
	v.object = b.bucket.newObject(b.config.Namespace)
	return b.bucket.upload(ctx, v.object, spoolBytes(p))
}

// discardStaged gives up the objects of those puts that r does not say were
// done; all of them if it is nil.
func (b *backend) discardStaged(values []value, r *writeResult) {
	var objects []string
	for i := range values {
		done := r != nil && r.OK && i < len(r.Results) && r.Results[i].OK != nil && *r.Results[i].OK
		if values[i].object != "" && !done {
			objects = append(objects, values[i].object)
		}
	}
	if len(objects) > 0 {
		b.discard(objects...)
	}
}

func (b *backend) batchResults(ctx context.Context, ops []storage.BatchOp, values []value, r *writeResult) ([]storage.BatchResult, error) {
	switch {
	case r.Reason == reasonAborted:
		e := storage.Errorf(storage.CodeAborted, "the object changed since it was read")
		e.Key, e.Current = r.Key, r.ETag
		return nil, e
	case !r.OK && r.Reason != reasonFailed:
		return nil, unexpected("batch", r.Reason)
	case len(r.Results) != len(ops):
		return nil, storage.Errorf(storage.CodeInternal, "the project gave %d results for %d operations", len(r.Results), len(ops))
	}
	results := make([]storage.BatchResult, len(ops))
	failed := -1
	room := int64(storage.MaxBatchBytes)
	for i := range ops {
		if results[i] = b.batchResult(ctx, &ops[i], &values[i], &r.Results[i], r.OK, &room); results[i].Err != nil {
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
// room bounds what is read from the bucket.
func (b *backend) batchResult(ctx context.Context, op *storage.BatchOp, v *value, s *stepResult, done bool, room *int64) storage.BatchResult {
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
	}
	res := storage.BatchResult{Object: s.object(op.Key), Value: s.Value}
	*room -= s.Size
	switch {
	case !done:
	case *room < 0:
		return storage.BatchResult{Err: noRoom()}
	case s.Forgotten:
		res.Err = storage.Errorf(storage.CodeUnavailable, "the batch was done, but the answer with the value was lost; read it again")
	case s.Object != "":
		res.Value, res.Err = b.fetch(ctx, op.Key, s)
	case int64(len(s.Value)) != s.Size || storage.Checksum(0, s.Value) != s.CRC32C:
		res = storage.BatchResult{Err: storage.Errorf(storage.CodeDataLoss, "the row has other bytes than were stored")}
	}
	return res
}

func noRoom() error {
	return storage.Errorf(storage.CodeTooLarge, "the values of the batch, sent and read, have more than %d bytes", storage.MaxBatchBytes)
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
		return noRoom()
	default:
		return unexpected("batch", s.Reason)
	}
}

// fetch reads a value that is in a bucket.
func (b *backend) fetch(ctx context.Context, key string, s *stepResult) ([]byte, error) {
	body, err := b.openObject(ctx, &s.readResult)
	if errors.Is(err, errObjectGone) {
		if err = b.whereDidItGo(ctx, key, s.Version); err == nil {
			err = replacedMeanwhile()
		}
	}
	if err != nil {
		return nil, err
	}
	return storage.NewReader(s.object(key), 0, s.Size, body).Bytes()
}
