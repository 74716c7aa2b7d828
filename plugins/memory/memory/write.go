package memory

import (
	"context"
	"io"
	"maps"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Put implements storage.Backend. The condition is checked and the object
// replaced under the lock that the cache has for the key.
func (b *backend) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := b.enter(ctx); err != nil {
		return storage.PutResult{}, err
	}
	value, release, err := b.staging.read(ctx, body, opts.SizeHint)
	if err != nil {
		return storage.PutResult{}, err
	}
	defer release()
	e := &entry{value: value, object: storage.Object{
		Key:         key,
		Size:        int64(len(value)),
		ETag:        b.etag(),
		ContentType: opts.ContentType,
		CRC32C:      storage.Checksum(0, value),
	}}
	if len(opts.Metadata) > 0 {
		e.object.Metadata = maps.Clone(opts.Metadata)
	}
	e.weigh()
	e.keep(opts.TTL, b.ttl)
	if err := b.enter(ctx); err != nil {
		return storage.PutResult{}, err
	}
	existed := false
	b.entries.Compute(key, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		current := ""
		if existed = found; found {
			current = old.object.ETag
		}
		if err = opts.If.Check(current); err != nil {
			return nil, otter.CancelOp
		}
		e.object.ModTime = time.Now()
		if opts.TTL > 0 {
			e.object.ExpiresAt = e.object.ModTime.Add(opts.TTL)
		}
		return e, otter.WriteOp
	})
	if err != nil {
		return storage.PutResult{}, err
	}
	return storage.PutResult{Object: e.describe(), Created: storage.TristateOf(!existed)}, nil
}

// Delete implements storage.Backend.
func (b *backend) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := b.enter(ctx); err != nil {
		return storage.Deleted{}, err
	}
	var err error
	existed := false
	b.entries.Compute(key, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		current := ""
		if existed = found; found {
			current = old.object.ETag
		}
		if err = opts.If.Check(current); err != nil {
			return nil, otter.CancelOp
		}
		return nil, otter.InvalidateOp
	})
	if err != nil {
		return storage.Deleted{}, err
	}
	return storage.Deleted{Existed: storage.TristateOf(existed)}, nil
}
