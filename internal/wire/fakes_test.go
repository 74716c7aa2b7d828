package wire

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fakeStore answers with its functions; those that are nil panic.
type fakeStore struct {
	storage.Store
	caps   storage.Capabilities
	get    func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error)
	put    func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error)
	stat   func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error)
	delete func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error)
	list   func(ctx context.Context, opts storage.ListOptions) (storage.Page, error)
	watch  func(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error)
	health func(ctx context.Context) error
}

func (f *fakeStore) Capabilities() storage.Capabilities { return f.caps }

func (f *fakeStore) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	return f.get(ctx, key, opts)
}

func (f *fakeStore) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	return f.put(ctx, key, body, opts)
}

func (f *fakeStore) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	return f.stat(ctx, key, opts)
}

func (f *fakeStore) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	return f.delete(ctx, key, opts)
}

func (f *fakeStore) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return f.list(ctx, opts)
}

func (f *fakeStore) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	return f.watch(ctx, opts)
}

func (f *fakeStore) CheckHealth(ctx context.Context) error { return f.health(ctx) }
func (f *fakeStore) Close(context.Context) error           { return nil }
