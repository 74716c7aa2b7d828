// Package memory is a small backend for the tests of the HTTP front and its
// client: every mandatory operation, conditions and expiry, over a map.
package memory

import (
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Backend keeps values in memory. The zero value is ready for use.
type Backend struct {
	mu      sync.Mutex
	objects map[string]stored
	writes  int
	closed  bool
}

type stored struct {
	storage.Object
	value []byte
}

// Capabilities implements storage.Backend.
func (b *Backend) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true,
		Consistency: storage.AllConsistencyLevels(),
	}
}

// Close implements storage.Backend.
func (b *Backend) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// lookup returns the live object of key. The caller holds mu.
func (b *Backend) lookup(key string) (stored, bool, error) {
	if b.closed {
		return stored{}, false, storage.Errorf(storage.CodeUnavailable, "the backend is closed")
	}
	o, ok := b.objects[key]
	if !ok || o.Expired(time.Now()) {
		return stored{}, false, nil
	}
	return o, true, nil
}

func (b *Backend) read(ctx context.Context, key, ifMatch string) (stored, error) {
	if err := ctx.Err(); err != nil {
		return stored{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok, err := b.lookup(key)
	switch {
	case err != nil:
		return o, err
	case !ok:
		return o, storage.Errorf(storage.CodeNotFound, "there is no object with this key")
	case ifMatch != "":
		return o, storage.IfETag(ifMatch).Check(o.ETag)
	}
	return o, nil
}

// Get implements storage.Backend.
func (b *Backend) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	o, err := b.read(ctx, key, opts.IfMatch)
	if err != nil {
		return nil, err
	}
	return storage.NewBytesReader(o.Object, opts.Range, o.value)
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	o, err := b.read(ctx, key, opts.IfMatch)
	return o.Object, err
}

// Put implements storage.Backend.
func (b *Backend) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	value, err := io.ReadAll(body)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return storage.PutResult{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old, existed, err := b.lookup(key)
	if err == nil {
		err = opts.If.Check(old.ETag)
	}
	if err != nil {
		return storage.PutResult{}, err
	}
	b.writes++
	o := storage.Object{
		Key: key, Size: int64(len(value)), ETag: "v" + strconv.Itoa(b.writes), ContentType: opts.ContentType,
		Metadata: maps.Clone(opts.Metadata), ModTime: time.Now().UTC(), CRC32C: storage.Checksum(0, value),
	}
	if opts.TTL > 0 {
		o.ExpiresAt = o.ModTime.Add(opts.TTL)
	}
	if b.objects == nil {
		b.objects = make(map[string]stored)
	}
	b.objects[key] = stored{o, value}
	return storage.PutResult{Object: o, Created: storage.TristateOf(!existed)}, nil
}

// Delete implements storage.Backend.
func (b *Backend) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := ctx.Err(); err != nil {
		return storage.Deleted{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old, existed, err := b.lookup(key)
	if err == nil {
		err = opts.If.Check(old.ETag)
	}
	if err != nil {
		return storage.Deleted{}, err
	}
	delete(b.objects, key)
	return storage.Deleted{Existed: storage.TristateOf(existed)}, nil
}

// List implements storage.Backend.
func (b *Backend) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := ctx.Err(); err != nil {
		return storage.Page{}, err
	}
	position, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var page storage.Page
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		o, live, err := b.lookup(key)
		if err != nil {
			return storage.Page{}, err
		}
		if !live || !strings.HasPrefix(key, opts.Prefix) || position.Covers(key) {
			continue
		}
		if len(page.Objects)+len(page.Prefixes) == opts.Limit {
			page.NextToken = position.Token()
			break
		}
		if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
			page.Prefixes = append(page.Prefixes, prefix)
			position = storage.ListPosition{After: prefix, IsPrefix: true}
			continue
		}
		page.Objects = append(page.Objects, o.Object)
		position = storage.ListPosition{After: key}
	}
	return page, nil
}
