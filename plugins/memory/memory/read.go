package memory

import (
	"context"
	"maps"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Get implements storage.Backend. The value is not copied.
func (b *backend) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	e, err := b.lookup(ctx, key, opts.IfMatch)
	if err != nil {
		return nil, err
	}
	if opts.SharedMetadata {
		return storage.NewBytesReader(e.object, opts.Range, e.value)
	}
	return storage.NewBytesReader(e.describe(), opts.Range, e.value)
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	e, err := b.lookup(ctx, key, opts.IfMatch)
	if err != nil {
		return storage.Object{}, err
	}
	return e.describe(), nil
}

func (b *backend) lookup(ctx context.Context, key, match string) (*entry, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	e, ok := b.entries.GetIfPresent(key)
	if !ok {
		return nil, notFound()
	}
	if match != "" {
		if err := storage.IfETag(match).Check(e.object.ETag); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// notFound is not made by Errorf, since a cache is asked for much that it lacks.
func notFound() error { return &storage.Error{Code: storage.CodeNotFound} }

// describe is the object with metadata of the caller's own.
func (e *entry) describe() storage.Object {
	o := e.object
	o.Metadata = maps.Clone(o.Metadata)
	return o
}
