package local

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Batch implements storage.Batcher. All of it is one commit, atomic or not.
func (s *store) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return s.applyOps(ctx, nil, ops, opts.Atomic)
}

// Commit implements storage.Transactor.
func (s *store) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return s.applyOps(ctx, tx.Checks, tx.Ops, true)
}

func (s *store) applyOps(ctx context.Context, checks []storage.Check, ops []storage.BatchOp, atomic bool) ([]storage.BatchResult, error) {
	if err := s.precheck(ctx, "", storage.Condition{}); err != nil {
		return nil, err
	}
	b := s.stageBatch(ctx, checks, ops)
	if err := ctx.Err(); err != nil {
		s.discard(b.values)
		return nil, storage.AsError(err)
	}
	return commitWith(ctx, s, b.values, func(point *commitPoint) ([]storage.BatchResult, error) {
		return b.run(ctx, point, atomic)
	})
}

// batch is a batch or transaction on its way. It holds nothing of the
// caller's.
type batch struct {
	store  *store
	checks []storage.Check
	steps  []batchStep
	values []*staged // of the steps that are puts, others nil
	room   int64     // for the values that are read

	state  map[string]*batchKey // what the steps so far did
	order  []string             // keys of state, as they were touched
	events []logEntry
	now    time.Time
}

type batchStep struct {
	kind       storage.BatchKind
	key        string
	condition  storage.Condition
	attributes attributes
	err        error // of the staging
}

type batchKey struct {
	old, next *record
	value     *staged
}

func (s *store) stageBatch(ctx context.Context, checks []storage.Check, ops []storage.BatchOp) *batch {
	b := &batch{
		store:  s,
		checks: append([]storage.Check(nil), checks...),
		steps:  make([]batchStep, len(ops)),
		values: make([]*staged, len(ops)),
		room:   storage.MaxBatchBytes,
		state:  make(map[string]*batchKey),
	}
	for i := range ops {
		op, step := &ops[i], &b.steps[i]
		b.room -= int64(len(op.Value))
		*step = batchStep{kind: op.Kind, key: op.Key}
		switch op.Kind {
		case storage.BatchDelete:
			step.condition = op.Delete.If
		case storage.BatchPut:
			step.condition = op.Put.If
			step.attributes = attributesOf(op.Put)
			put := op.Put
			put.SizeHint = int64(len(op.Value))
			b.values[i], step.err = s.stage(ctx, op.Key, bytes.NewReader(op.Value), put)
		}
	}
	return b
}

func (b *batch) run(ctx context.Context, point *commitPoint, atomic bool) ([]storage.BatchResult, error) {
	s := b.store
	for i, v := range b.values {
		if v != nil && b.steps[i].err == nil {
			b.steps[i].err = s.engine.settle(v)
		}
	}
	release, err := s.keys.lockAll(ctx, b.keys())
	if err != nil {
		return nil, storage.AsError(err)
	}
	defer release()
	b.now = s.clock()
	if err := b.check(); err != nil {
		return nil, err
	}
	results := make([]storage.BatchResult, len(b.steps))
	failed := -1
	for i := range b.steps {
		if results[i], err = b.step(ctx, i); err != nil {
			results[i] = storage.BatchResult{Err: err}
			failed = i
		}
	}
	if atomic && failed >= 0 {
		return abort(results, failed), nil
	}
	if c := b.commit(); !c.empty() {
		if err := s.apply(ctx, point, c); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (b *batch) keys() []string {
	keys := make([]string, 0, len(b.checks)+len(b.steps))
	for i := range b.checks {
		keys = append(keys, b.checks[i].Key)
	}
	for i := range b.steps {
		keys = append(keys, b.steps[i].key)
	}
	return keys
}

// check evaluates the checks of a transaction.
func (b *batch) check() error {
	for _, c := range b.checks {
		k, err := b.key(c.Key)
		if err != nil {
			return err
		}
		if etag := k.next.live(b.now).etag(); etag != c.ETag {
			return &storage.Error{
				Code: storage.CodeAborted, Key: c.Key, Current: etag,
				Err: errors.New("the object changed since it was read"),
			}
		}
	}
	return nil
}

// key returns the state of a key, which is locked.
func (b *batch) key(key string) (*batchKey, error) {
	if k := b.state[key]; k != nil {
		return k, nil
	}
	r, err := b.store.engine.lookup(key)
	if err != nil {
		return nil, err
	}
	k := &batchKey{old: r, next: r}
	b.state[key] = k
	b.order = append(b.order, key)
	return k, nil
}

func (b *batch) step(ctx context.Context, i int) (result storage.BatchResult, err error) {
	step := &b.steps[i]
	if step.err != nil {
		return result, step.err
	}
	k, err := b.key(step.key)
	if err != nil {
		return result, err
	}
	live := k.next.live(b.now)
	if err := step.condition.Check(live.etag()); err != nil {
		return result, err
	}
	switch step.kind {
	case storage.BatchPut:
		k.value = b.values[i]
		k.next = k.value.record(step.key, step.attributes, b.now)
		b.events = append(b.events, eventOf(step.key, k.next))
		result.Object = k.next.describe()
		result.Created = storage.TristateOf(live == nil)
	case storage.BatchDelete:
		result.Existed = storage.TristateOf(live != nil)
		if live != nil {
			k.next, k.value = nil, nil
			b.events = append(b.events, eventOf(step.key, nil))
		}
	default:
		if live == nil {
			return result, &storage.Error{Code: storage.CodeNotFound}
		}
		result.Object = live.describe()
		if step.kind == storage.BatchGet {
			result.Value, err = b.read(ctx, live)
		}
	}
	return result, err
}

func (b *batch) read(ctx context.Context, r *record) ([]byte, error) {
	size := r.object.Size
	if size > b.room {
		return nil, storage.Errorf(storage.CodeTooLarge, "the values of the batch, sent and read, have more than %d bytes", storage.MaxBatchBytes)
	}
	body, err := b.store.engine.open(ctx, r, 0, size)
	if errors.Is(err, errVersionGone) {
		return nil, lostValue()
	}
	if err != nil {
		return nil, err
	}
	b.room -= size
	return storage.NewReader(r.object, 0, size, body).Bytes()
}

// commit returns what all steps together did.
func (b *batch) commit() *commit {
	c := &commit{events: b.events}
	for _, key := range b.order {
		if k := b.state[key]; k.next != k.old {
			c.changes = append(c.changes, change{key: key, old: k.old, next: k.next, value: k.value})
		}
	}
	return c
}

// abort makes all results of an atomic batch failures.
func abort(results []storage.BatchResult, failed int) []storage.BatchResult {
	for i := range results {
		if results[i].Err == nil {
			results[i] = storage.BatchResult{
				Err: storage.Errorf(storage.CodeAborted, "nothing was done, because operation %d of the batch failed", failed),
			}
		}
	}
	return results
}
