package registry

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Handle returns the backend name as a Store that takes a lease for each
// operation. It can be had before the backend exists and outlives it; while
// nothing serves, operations are Unavailable with the reason.
//
// Its Capabilities are those of the current generation or, while there is
// none, of the last: they may change with a swap. Before the first, nobody knows
// them, and all are declared: an operation is then refused for being Unavailable,
// which may pass, rather than for being Unimplemented. Close does nothing, since
// the generations have their own owner.
func (r *Registry) Handle(name string) storage.Store { return &handle{registry: r, name: name} }

type handle struct {
	registry *Registry
	name     string
}

func (h *handle) Capabilities() storage.Capabilities {
	if e := (*h.registry.snapshot.Load())[h.name]; e != nil && e.known {
		return e.caps
	}
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, Batch: true, AtomicBatch: true, Watch: true,
		Transactions: true, Copy: true, HealthCheck: true, Durable: true, Consistency: storage.AllConsistencyLevels(),
	}
}

func (h *handle) Close(context.Context) error { return nil }

func (h *handle) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	lease, err := h.registry.Acquire(ctx, h.name)
	if err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	r, err := lease.Store().Get(ctx, key, opts)
	if err != nil {
		lease.Release()
		return nil, err
	}
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return leasedSource{source, lease} })
	return r, nil
}

// leasedSource returns the lease when the source is closed, which a layer that
// resumes broken streams does before the Reader is.
type leasedSource struct {
	io.ReadCloser
	lease Lease
}

func (s leasedSource) Close() error {
	defer s.lease.Release()
	return s.ReadCloser.Close()
}

func (h *handle) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	return with(ctx, h, "put", key, func(s storage.Store) (storage.PutResult, error) { return s.Put(ctx, key, body, opts) })
}

func (h *handle) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	return with(ctx, h, "stat", key, func(s storage.Store) (storage.Object, error) { return s.Stat(ctx, key, opts) })
}

func (h *handle) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	return with(ctx, h, "delete", key, func(s storage.Store) (storage.Deleted, error) { return s.Delete(ctx, key, opts) })
}

func (h *handle) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return with(ctx, h, "list", "", func(s storage.Store) (storage.Page, error) { return s.List(ctx, opts) })
}

func (h *handle) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return with(ctx, h, "batch", "", func(s storage.Store) ([]storage.BatchResult, error) { return s.Batch(ctx, ops, opts) })
}

func (h *handle) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return with(ctx, h, "commit", "", func(s storage.Store) ([]storage.BatchResult, error) { return s.Commit(ctx, tx) })
}

func (h *handle) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	return with(ctx, h, "copy", dst, func(s storage.Store) (storage.PutResult, error) { return s.Copy(ctx, src, dst, opts) })
}

func (h *handle) CheckHealth(ctx context.Context) error {
	_, err := with(ctx, h, "health", "", func(s storage.Store) (struct{}, error) { return struct{}{}, s.CheckHealth(ctx) })
	return err
}

// with runs one operation under a lease, and returns the lease also if the
// operation panics.
func with[T any](ctx context.Context, h *handle, op, key string, run func(storage.Store) (T, error)) (T, error) {
	lease, err := h.registry.Acquire(ctx, h.name)
	if err != nil {
		var none T
		return none, storage.Annotate(err, op, key)
	}
	defer lease.Release()
	return run(lease.Store())
}
