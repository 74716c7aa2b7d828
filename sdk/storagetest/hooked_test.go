package storagetest_test

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// hooked is the reference with some of its methods replaced by broken ones.
type hooked struct {
	*memory
	caps   func() storage.Capabilities
	get    func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error)
	put    func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error)
	stat   func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error)
	del    func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error)
	list   func(ctx context.Context, opts storage.ListOptions) (storage.Page, error)
	batch  func(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error)
	commit func(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error)
	copy   func(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error)
	watch  func(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error)
	health func(ctx context.Context) error
	close  func(ctx context.Context) error
}

func (h *hooked) Capabilities() storage.Capabilities {
	if h.caps != nil {
		return h.caps()
	}
	return h.memory.Capabilities()
}

func (h *hooked) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if h.get != nil {
		return h.get(ctx, key, opts)
	}
	return h.memory.Get(ctx, key, opts)
}

func (h *hooked) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if h.put != nil {
		return h.put(ctx, key, body, opts)
	}
	return h.memory.Put(ctx, key, body, opts)
}

func (h *hooked) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if h.stat != nil {
		return h.stat(ctx, key, opts)
	}
	return h.memory.Stat(ctx, key, opts)
}

func (h *hooked) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if h.del != nil {
		return h.del(ctx, key, opts)
	}
	return h.memory.Delete(ctx, key, opts)
}

func (h *hooked) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if h.list != nil {
		return h.list(ctx, opts)
	}
	return h.memory.List(ctx, opts)
}

func (h *hooked) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if h.batch != nil {
		return h.batch(ctx, ops, opts)
	}
	return h.memory.Batch(ctx, ops, opts)
}

func (h *hooked) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if h.commit != nil {
		return h.commit(ctx, tx)
	}
	return h.memory.Commit(ctx, tx)
}

func (h *hooked) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if h.copy != nil {
		return h.copy(ctx, src, dst, opts)
	}
	return h.memory.Copy(ctx, src, dst, opts)
}

func (h *hooked) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	if h.watch != nil {
		return h.watch(ctx, opts)
	}
	return h.memory.Watch(ctx, opts)
}

func (h *hooked) CheckHealth(ctx context.Context) error {
	if h.health != nil {
		return h.health(ctx)
	}
	return h.memory.CheckHealth(ctx)
}

func (h *hooked) Close(ctx context.Context) error {
	if h.close != nil {
		return h.close(ctx)
	}
	return h.memory.Close(ctx)
}
