package routing

import (
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// ended is how the write of a key ended, and the etag it left behind.
type ended struct {
	how  writeEnd
	etag string
}

// write runs a write of keys at the source; run returns how that of the i-th
// ended. Then the cache loses what it has of them, unless keep, which is given the
// number at which a single key had what was written, says that it need not.
func (p *preferCache) write(ctx context.Context, keys []string, run func() (result func(i int) ended), keep func(seq uint64) bool) {
	tickets := make([]ticket, len(keys))
	for i, key := range keys {
		tickets[i] = p.written.begin(key)
	}
	result := func(int) ended { return ended{how: writeUnknown} } // if run panics
	defer func() {
		now := time.Now().UnixNano()
		kept := false
		for i, key := range keys {
			end := result(i)
			seq, alone := p.written.end(key, tickets[i], end.how, end.etag, now)
			kept = keep != nil && alone && end.how == writeDone && keep(seq)
		}
		if !kept {
			p.drop(ctx, keys)
		}
	}()
	result = run()
}

// one is write of a single key.
func (p *preferCache) one(ctx context.Context, key string, run func() (etag string, err error), keep func(seq uint64) bool) {
	p.write(ctx, []string{key}, func() func(int) ended {
		etag, err := run()
		end := ended{endOf(err), etag}
		return func(int) ended { return end }
	}, keep)
}

// drop deletes keys from the cache, also if ctx has ended. Entries that cannot be
// deleted are out of use already, as the keys were written.
func (p *preferCache) drop(ctx context.Context, keys []string) {
	if len(keys) == 0 {
		return
	}
	quarantined := func(key string, err error) { p.tell(event.Quarantined, p.cache, key, err) }
	if p.cacheIsDown() {
		for _, key := range keys {
			quarantined(key, storage.Errorf(storage.CodeUnavailable, "%s is down", p.cache.Name))
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	if len(keys) == 1 {
		if _, err := p.cache.Store.Delete(ctx, keys[0], storage.DeleteOptions{}); err != nil {
			quarantined(keys[0], err)
		}
		return
	}
	ops := make([]storage.BatchOp, len(keys))
	for i, key := range keys {
		ops[i] = storage.BatchOp{Kind: storage.BatchDelete, Key: key}
	}
	results, err := p.cache.Store.Batch(ctx, ops, storage.BatchOptions{})
	for i, key := range keys {
		if err == nil && results[i].Err == nil {
			continue
		}
		if err == nil {
			quarantined(key, results[i].Err)
			continue
		}
		quarantined(key, err)
	}
}

// Put writes the source. The cache is given the value or loses its own.
func (p *preferCache) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	if err := storage.ValidatePut(key, opts); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	opts.Consistency = p.level(opts.Consistency)
	var copied *copiedBody
	if p.through && opts.SizeHint <= p.maxEntry {
		copied = &copiedBody{Reader: body, room: p.maxEntry}
		body = copied
	}
	p.one(ctx, key, func() (string, error) {
		res, err = p.source.Store.Put(ctx, key, body, opts)
		return res.Object.ETag, err
	}, func(seq uint64) bool {
		return copied != nil && p.keep(ctx, key, res.Object, copied, seq)
	})
	return res, err
}

// keep caches what was written, if all of it was seen, and reports whether it has
// tried.
func (p *preferCache) keep(ctx context.Context, key string, o storage.Object, written *copiedBody, seq uint64) bool {
	value, whole := written.value()
	if !whole || o.Key != key || o.Size != int64(len(value)) || o.CRC32C != storage.Checksum(0, value) {
		return false
	}
	return p.fill(context.WithoutCancel(ctx), key, o, value, seq)
}

// copiedBody keeps what is read through it, as long as there is room.
type copiedBody struct {
	io.Reader
	room  int64
	kept  []byte
	ended bool
	over  bool
}

func (b *copiedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.over = b.over || int64(len(b.kept)+n) > b.room; b.over {
		b.kept = nil
	} else {
		b.kept = append(b.kept, p[:n]...)
	}
	b.ended = b.ended || err == io.EOF
	return n, err
}

func (b *copiedBody) value() ([]byte, bool) { return b.kept, b.ended && !b.over }

// Delete deletes at the source, and then in the cache.
func (p *preferCache) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	if err := storage.ValidateDelete(key, opts); err != nil {
		return storage.Deleted{}, storage.Annotate(err, "delete", key)
	}
	opts.Consistency = p.level(opts.Consistency)
	p.one(ctx, key, func() (string, error) {
		d, err = p.source.Store.Delete(ctx, key, opts)
		return "", err
	}, nil)
	return d, err
}

// Copy is the source's.
func (p *preferCache) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (res storage.PutResult, err error) {
	if err := storage.ValidateCopy(src, dst, opts); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	p.one(ctx, dst, func() (string, error) {
		res, err = p.source.Store.Copy(ctx, src, dst, opts)
		return res.Object.ETag, err
	}, nil)
	return res, err
}

// Batch is the source's; what it wrote is deleted from the cache.
func (p *preferCache) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := storage.ValidateBatch(ops); err != nil {
		return nil, storage.Annotate(err, "batch", "")
	}
	opts.Consistency = p.level(opts.Consistency)
	return p.many(ctx, ops, func() ([]storage.BatchResult, error) { return p.source.Store.Batch(ctx, ops, opts) })
}

// Commit is the source's; what it wrote is deleted from the cache.
func (p *preferCache) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := storage.ValidateTransaction(tx); err != nil {
		return nil, storage.Annotate(err, "commit", "")
	}
	return p.many(ctx, tx.Ops, func() ([]storage.BatchResult, error) { return p.source.Store.Commit(ctx, tx) })
}

func (p *preferCache) many(ctx context.Context, ops []storage.BatchOp, run func() ([]storage.BatchResult, error)) (results []storage.BatchResult, err error) {
	var keys []string
	var places []int
	for i, op := range ops {
		if op.Kind == storage.BatchPut || op.Kind == storage.BatchDelete {
			keys, places = append(keys, op.Key), append(places, i)
		}
	}
	if len(keys) == 0 {
		return run()
	}
	p.write(ctx, keys, func() func(int) ended {
		results, err = run()
		return func(i int) ended {
			if err != nil {
				return ended{how: endOf(err)}
			}
			r := results[places[i]]
			return ended{endOf(r.Err), r.Object.ETag}
		}
	}, nil)
	return results, err
}
