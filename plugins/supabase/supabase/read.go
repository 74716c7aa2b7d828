package supabase

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// readRoom bounds the values in one answer to reads that were put together, in
// bytes.
const readRoom = 1 << 20

// maxMoved is how often a read begins again because the large value it was
// about to read was replaced and its grace period is over.
const maxMoved = 3

// Get implements storage.Backend.
func (b *backend) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	opening, leave, err := b.gate.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return b.get(opening, ctx, key, opts)
}

// get opens a value. reading is the context that governs the reading too.
func (b *backend) get(ctx, reading context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	item := readItem{Key: key, Value: true, ETag: opts.IfMatch}
	item.selectRange(opts.Range)
	for moved := 0; ; moved++ {
		r, err := b.read(ctx, item)
		if err != nil {
			return nil, err
		}
		object := r.object(key)
		if r.Object == "" {
			if int64(len(r.Value)) != r.Length {
				return nil, storage.Errorf(storage.CodeDataLoss, "the row has %d of the %d bytes of the value", len(r.Value), r.Length)
			}
			if r.Length == r.Size {
				return storage.NewBytesReader(object, storage.Range{}, r.Value)
			}
			return storage.NewReader(object, r.Offset, r.Length, io.NopCloser(bytes.NewReader(r.Value))), nil
		}
		body, err := b.openObject(reading, r)
		if err == nil {
			return storage.NewReader(object, r.Offset, r.Length, body), nil
		}
		if !errors.Is(err, errObjectGone) {
			return nil, err
		}
		if err := b.whereDidItGo(ctx, key, r.Version); err != nil {
			return nil, err
		}
		if moved == maxMoved {
			return nil, replacedMeanwhile()
		}
	}
}

func replacedMeanwhile() error {
	return storage.Errorf(storage.CodeUnavailable, "the value was replaced while it was read; read it again")
}

// whereDidItGo tells, of an object that is gone, whether the value was replaced
// meanwhile (nil) or is lost.
func (b *backend) whereDidItGo(ctx context.Context, key, version string) error {
	now, err := b.read(ctx, readItem{Key: key})
	if err != nil {
		return err
	}
	if now.Version == version {
		return storage.Errorf(storage.CodeDataLoss, "the row points to an object that the bucket does not have")
	}
	return nil
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return storage.Object{}, err
	}
	defer leave()
	r, err := b.read(ctx, readItem{Key: key, ETag: opts.IfMatch})
	if err != nil {
		return storage.Object{}, err
	}
	return r.object(key), nil
}

// read asks for one key, together with whoever else asks now.
func (b *backend) read(ctx context.Context, item readItem) (*readResult, error) {
	r, err := b.reads.read(ctx, item)
	if err != nil {
		return nil, err
	}
	return r, r.err()
}

// readMany reads in one call. Values that exceed room bytes together come
// later.
func (b *backend) readMany(ctx context.Context, items []readItem, room int64) ([]readResult, error) {
	var results []readResult
	_, err := b.caller.call(ctx, "get", map[string]any{
		"p_namespace": b.config.Namespace, "p_items": items, "p_room": room,
	}, &results)
	if err != nil {
		return nil, err
	}
	if len(results) != len(items) {
		return nil, storage.Errorf(storage.CodeInternal, "the project gave %d results for %d reads", len(results), len(items))
	}
	return results, nil
}
