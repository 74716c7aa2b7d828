package storage

import (
	"context"
	"io"
	"sync/atomic"
)

// Complete turns a Backend into a Store. It validates every argument, refuses
// what the capabilities do not declare, bounds the size of bodies, emulates
// non-atomic batches and copies, and makes every error an [*Error] that names
// operation and key. A capability counts when it is both declared and
// implemented. It never emulates a condition, a TTL or a consistency level.
//
// Completing a Store that Complete made returns it as it is.
func Complete(b Backend) Store {
	if c, ok := b.(*completed); ok {
		return c
	}
	c := &completed{Backend: b}
	c.batcher, _ = b.(Batcher)
	c.watcher, _ = b.(Watcher)
	c.transactor, _ = b.(Transactor)
	c.copier, _ = b.(Copier)
	c.health, _ = b.(HealthChecker)
	return c
}

type completed struct {
	Backend
	batcher    Batcher
	watcher    Watcher
	transactor Transactor
	copier     Copier
	health     HealthChecker
}

// Capabilities are asked for anew each time: those of a host's own stores, which
// stand for backends that come and go, may change.
func (c *completed) Capabilities() Capabilities {
	caps := c.Backend.Capabilities()
	caps.Batch = caps.Batch && c.batcher != nil
	caps.AtomicBatch = caps.AtomicBatch && caps.Batch
	caps.Watch = caps.Watch && c.watcher != nil
	caps.Transactions = caps.Transactions && c.transactor != nil
	caps.Copy = caps.Copy && c.copier != nil
	caps.HealthCheck = caps.HealthCheck && c.health != nil
	return caps
}

func (c *completed) Get(ctx context.Context, key string, opts GetOptions) (*Reader, error) {
	err := ValidateGet(key, opts)
	if err == nil {
		err = c.checkConsistency(opts.Consistency)
	}
	if err != nil {
		return nil, Annotate(err, "get", key)
	}
	r, err := c.Backend.Get(ctx, key, opts)
	return r, Annotate(err, "get", key)
}

func (c *completed) Put(ctx context.Context, key string, body io.Reader, opts PutOptions) (PutResult, error) {
	if err := c.checkPut(key, opts); err != nil {
		return PutResult{}, Annotate(err, "put", key)
	}
	limit := c.Capabilities().MaxValueSize
	if limit > 0 && opts.SizeHint > limit {
		return PutResult{}, Annotate(tooLarge(limit), "put", key)
	}
	watched := &putBody{r: body, limit: limit}
	res, err := c.Backend.Put(ctx, key, watched, opts)
	if err == nil && !watched.ended.Load() {
		err = &Error{Code: CodeInternal, OutcomeUnknown: true, Err: text("the backend committed a value without reading it to its end")}
	}
	if err != nil {
		return PutResult{}, Annotate(judge(err, watched.ended.Load()), "put", key)
	}
	return res, nil
}

func (c *completed) Stat(ctx context.Context, key string, opts StatOptions) (Object, error) {
	err := ValidateStat(key, opts)
	if err == nil {
		err = c.checkConsistency(opts.Consistency)
	}
	if err != nil {
		return Object{}, Annotate(err, "stat", key)
	}
	o, err := c.Backend.Stat(ctx, key, opts)
	return o, Annotate(err, "stat", key)
}

func (c *completed) Delete(ctx context.Context, key string, opts DeleteOptions) (Deleted, error) {
	if err := c.checkDelete(key, opts); err != nil {
		return Deleted{}, Annotate(err, "delete", key)
	}
	d, err := c.Backend.Delete(ctx, key, opts)
	if err != nil {
		return Deleted{}, Annotate(judge(err, true), "delete", key)
	}
	return d, nil
}

func (c *completed) List(ctx context.Context, opts ListOptions) (Page, error) {
	err := ValidateList(opts)
	if err == nil {
		err = c.checkConsistency(opts.Consistency)
	}
	if err != nil {
		return Page{}, Annotate(err, "list", "")
	}
	if opts.Limit == 0 {
		opts.Limit = DefaultListLimit
	}
	p, err := c.Backend.List(ctx, opts)
	return p, Annotate(err, "list", "")
}

func (c *completed) Batch(ctx context.Context, ops []BatchOp, opts BatchOptions) ([]BatchResult, error) {
	if err := c.checkBatch(ops, opts); err != nil {
		return nil, Annotate(err, "batch", "")
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if !c.Capabilities().Batch {
		return c.checkResults(ops, batchByOne(ctx, c, ops, opts), nil, "batch")
	}
	results, err := c.batcher.Batch(ctx, ops, opts)
	return c.checkResults(ops, results, err, "batch")
}

func (c *completed) Commit(ctx context.Context, tx Transaction) ([]BatchResult, error) {
	if !c.Capabilities().Transactions {
		return nil, Annotate(unimplemented("transactions"), "commit", "")
	}
	err := ValidateTransaction(tx)
	if err == nil {
		err = c.checkOps(tx.Ops)
	}
	if err != nil {
		return nil, Annotate(err, "commit", "")
	}
	results, err := c.transactor.Commit(ctx, tx)
	return c.checkResults(tx.Ops, results, err, "commit")
}

func (c *completed) checkResults(ops []BatchOp, results []BatchResult, err error, op string) ([]BatchResult, error) {
	if err == nil && len(results) != len(ops) {
		err = Errorf(CodeInternal, "the backend gave %d results for %d operations", len(results), len(ops))
	}
	if err != nil {
		return nil, Annotate(err, op, "")
	}
	for i := range results {
		results[i].Err = Annotate(results[i].Err, op, ops[i].Key)
	}
	return results, nil
}

func (c *completed) Watch(ctx context.Context, opts WatchOptions) (EventStream, error) {
	if !c.Capabilities().Watch {
		return nil, Annotate(unimplemented("watching"), "watch", "")
	}
	if err := ValidateWatch(opts); err != nil {
		return nil, Annotate(err, "watch", "")
	}
	s, err := c.watcher.Watch(ctx, opts)
	return s, Annotate(err, "watch", "")
}

func (c *completed) Copy(ctx context.Context, src, dst string, opts CopyOptions) (PutResult, error) {
	err := ValidateCopy(src, dst, opts)
	if err == nil && !opts.If.IsNone() && !c.Capabilities().ConditionalPut {
		err = unimplemented("conditional writes")
	}
	if err != nil {
		return PutResult{}, Annotate(err, "copy", dst)
	}
	if !c.Capabilities().Copy {
		res, err := copyThrough(ctx, c, src, dst, opts)
		return res, Annotate(err, "copy", dst)
	}
	res, err := c.copier.Copy(ctx, src, dst, opts)
	return res, Annotate(err, "copy", dst)
}

func (c *completed) CheckHealth(ctx context.Context) error {
	if !c.Capabilities().HealthCheck {
		return nil
	}
	return Annotate(c.health.CheckHealth(ctx), "health", "")
}

func (c *completed) Close(ctx context.Context) error {
	return Annotate(c.Backend.Close(ctx), "close", "")
}

func (c *completed) checkPut(key string, opts PutOptions) error {
	if err := ValidatePut(key, opts); err != nil {
		return err
	}
	if !opts.If.IsNone() && !c.Capabilities().ConditionalPut {
		return unimplemented("conditional writes")
	}
	if opts.TTL > 0 && !c.Capabilities().TTL {
		return unimplemented("expiry")
	}
	return c.checkConsistency(opts.Consistency)
}

func (c *completed) checkDelete(key string, opts DeleteOptions) error {
	if err := ValidateDelete(key, opts); err != nil {
		return err
	}
	if !opts.If.IsNone() && !c.Capabilities().ConditionalDelete {
		return unimplemented("conditional deletes")
	}
	return c.checkConsistency(opts.Consistency)
}

func (c *completed) checkBatch(ops []BatchOp, opts BatchOptions) error {
	if err := ValidateBatch(ops); err != nil {
		return err
	}
	if err := validateConsistency(opts.Consistency); err != nil {
		return err
	}
	if opts.Atomic && !c.Capabilities().AtomicBatch {
		return unimplemented("atomic batches")
	}
	if err := c.checkOps(ops); err != nil {
		return err
	}
	return c.checkConsistency(opts.Consistency)
}

func (c *completed) checkOps(ops []BatchOp) error {
	for _, op := range ops {
		var err error
		switch op.Kind {
		case BatchPut:
			err = c.checkPut(op.Key, op.Put)
			if limit := c.Capabilities().MaxValueSize; err == nil && limit > 0 && int64(len(op.Value)) > limit {
				err = tooLarge(limit)
			}
		case BatchDelete:
			err = c.checkDelete(op.Key, op.Delete)
		}
		if err != nil {
			return Annotate(err, "", op.Key)
		}
	}
	return nil
}

func (c *completed) checkConsistency(level Consistency) error {
	if level != ConsistencyDefault && !c.Capabilities().Consistency.Has(level) {
		return unimplemented(level.String() + " consistency")
	}
	return nil
}

func unimplemented(what string) error {
	return Errorf(CodeUnimplemented, "the backend does not support %s", what)
}

func tooLarge(limit int64) error {
	return Errorf(CodeTooLarge, "the value is larger than the %d bytes the backend takes", limit)
}

// putBody fails with TooLarge instead of giving more than limit bytes (0: no
// limit), and knows whether the backend saw the end, without which it may not
// commit. A backend that wrongly reads it after its Put has returned disturbs
// nobody else.
type putBody struct {
	r     io.Reader
	limit int64
	read  atomic.Int64
	ended atomic.Bool
}

func (b *putBody) Read(p []byte) (int, error) {
	if room := b.limit - b.read.Load(); b.limit > 0 && int64(len(p)) > room {
		p = p[:room+1] // one more than fits shows that it does not
	}
	n, err := b.r.Read(p)
	if read := b.read.Add(int64(n)); b.limit > 0 && read > b.limit {
		return 0, tooLarge(b.limit)
	}
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

// judge says of a write that failed whether its outcome is known: a backend
// that returns an *Error has said so itself, any other error of a write that
// could have been committed leaves it open.
func judge(err error, committable bool) error {
	if _, explicit := err.(*Error); explicit { //nolint:errorlint // a wrapped one is not the backend's last word
		return err
	}
	e := AsError(err)
	e.OutcomeUnknown = e.OutcomeUnknown || committable
	return e
}
