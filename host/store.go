package host

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// hostStore is the store of a host whether it runs or not.
type hostStore struct{ h *Host }

func (s *hostStore) inner() (storage.Store, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	switch {
	case s.h.state == closed:
		return nil, storage.Errorf(storage.CodeUnavailable, "the host is closed")
	case s.h.store == nil:
		return nil, storage.Errorf(storage.CodeUnavailable, "the host is starting")
	}
	return s.h.store, nil
}

func (s *hostStore) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	return inner.Get(ctx, key, opts)
}

func (s *hostStore) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	inner, err := s.inner()
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	return inner.Put(ctx, key, body, opts)
}

func (s *hostStore) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	inner, err := s.inner()
	if err != nil {
		return storage.Object{}, storage.Annotate(err, "stat", key)
	}
	return inner.Stat(ctx, key, opts)
}

func (s *hostStore) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	inner, err := s.inner()
	if err != nil {
		return storage.Deleted{}, storage.Annotate(err, "delete", key)
	}
	return inner.Delete(ctx, key, opts)
}

func (s *hostStore) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	inner, err := s.inner()
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	return inner.List(ctx, opts)
}

func (s *hostStore) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, storage.Annotate(err, "batch", "")
	}
	return inner.Batch(ctx, ops, opts)
}

func (s *hostStore) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, storage.Annotate(err, "commit", "")
	}
	return inner.Commit(ctx, tx)
}

func (s *hostStore) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	inner, err := s.inner()
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	return inner.Copy(ctx, src, dst, opts)
}

func (s *hostStore) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, storage.Annotate(err, "watch", "")
	}
	return inner.Watch(ctx, opts)
}

func (s *hostStore) CheckHealth(ctx context.Context) error {
	inner, err := s.inner()
	if err != nil {
		return storage.Annotate(err, "health", "")
	}
	return inner.CheckHealth(ctx)
}

func (s *hostStore) Capabilities() storage.Capabilities {
	inner, err := s.inner()
	if err != nil {
		return storage.Capabilities{}
	}
	return inner.Capabilities()
}

// Close does nothing: the host closes what it opened.
func (s *hostStore) Close(context.Context) error { return nil }
