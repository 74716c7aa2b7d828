package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func readerRules() []rule {
	return []rule{
		{group: "readers", name: "many-read-one-value-at-once", check: func(ctx context.Context, p *probe) {
			value := content{seed: 4, size: p.room(1<<20 + 3)}
			key := p.key("k")
			p.putContent(ctx, key, value, storage.PutOptions{})
			p.together(p.opts.Concurrency, func(i int) {
				rg := storage.RangeFrom(min(int64(i)*1000, value.size))
				r := p.open(ctx, key, storage.GetOptions{Range: rg})
				p.ok(value.compare(r, rg.Offset, value.size-rg.Offset), "reading from %d", rg.Offset)
			})
		}},
		{group: "readers", name: "an-open-reader-outlives-an-overwrite", check: func(ctx context.Context, p *probe) {
			checkOpenReader(ctx, p, func(key string) {
				p.putContent(ctx, key, content{seed: 6, size: p.room(1 << 20)}, storage.PutOptions{})
			})
		}},
		{group: "readers", name: "an-open-reader-outlives-a-delete", check: func(ctx context.Context, p *probe) {
			checkOpenReader(ctx, p, func(key string) { p.remove(ctx, key) })
		}},
		{group: "readers", name: "readers-racing-a-writer-see-whole-versions", check: checkRacingReaders},
		{group: "readers", name: "closing-early-leaves-the-backend-usable", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			value := content{seed: 8, size: p.room(1 << 20)}
			p.putContent(ctx, key, value, storage.PutOptions{})
			for i := range 64 {
				r, err := p.store.Get(ctx, key, storage.GetOptions{})
				p.ok(err, "get number %d after others were closed early", i+1)
				if i%2 == 0 {
					_, err := io.CopyN(io.Discard, r, min(100, value.size))
					p.ok(err, "reading the first bytes")
				}
				p.ok(r.Close(), "closing before the end")
			}
			r := p.open(ctx, key, storage.GetOptions{})
			p.ok(value.compare(r, 0, value.size), "reading the whole")
		}},
		{group: "readers", name: "closing-twice-is-harmless", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "value")
			r := p.open(ctx, key, storage.GetOptions{})
			p.ok(r.Close(), "close")
			p.ok(r.Close(), "the second close")
			if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
				p.failf("expected a closed reader to give an error; got %d bytes and %v", n, err)
			}
		}},
		{group: "readers", name: "a-returned-object-is-the-callers", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			put := p.put(ctx, key, "v", storage.PutOptions{Metadata: map[string]string{"a": "1"}})
			put.Object.Metadata["a"] = "changed by the caller"
			_, got := p.get(ctx, key, storage.GetOptions{})
			p.sameMetadata("the object after a caller changed what put returned", got.Metadata, map[string]string{"a": "1"})
			got.Metadata["a"] = "changed by the caller"
			stat := p.stat(ctx, key)
			p.sameMetadata("the object after a caller changed what get returned", stat.Metadata, map[string]string{"a": "1"})
			stat.Metadata["b"] = "changed by the caller"
			p.sameMetadata("the object after a caller changed what stat returned", p.stat(ctx, key).Metadata, map[string]string{"a": "1"})
		}},
	}
}

// checkOpenReader changes an object while it is read: the reader gives the old
// value to the end or fails, and never gives anything else.
func checkOpenReader(ctx context.Context, p *probe, change func(key string)) {
	key := p.key("k")
	old := content{seed: 5, size: p.room(1 << 20)}
	obj := p.putContent(ctx, key, old, storage.PutOptions{})
	r := p.open(ctx, key, storage.GetOptions{})
	equal(p, "the etag of the reader", r.Object.ETag, obj.ETag)
	const begun = 1000
	p.ok(old.compare(io.LimitReader(r, begun), 0, min(begun, old.size)), "reading the first bytes")
	change(key)
	err := old.compare(r, min(begun, old.size), max(0, old.size-begun))
	var e *storage.Error
	if err != nil && !errors.As(err, &e) {
		p.failf("expected the rest of the old value or a *storage.Error; %v", err)
	}
}

// checkRacingReaders overwrites a value whose bytes are all alike while others
// read it: a mixture of two versions would show.
func checkRacingReaders(ctx context.Context, p *probe) {
	key := p.key("k")
	size := p.room(200_000)
	p.putContent(ctx, key, content{seed: 0, size: size}, storage.PutOptions{Metadata: map[string]string{"seed": "0"}})
	p.together(p.opts.Concurrency, func(i int) {
		for round := range 8 {
			if i%4 == 0 {
				seed := uint64(i*8 + round + 1)
				p.putContent(ctx, key, content{seed: seed, size: size - int64(seed)}, storage.PutOptions{Metadata: map[string]string{"seed": fmt.Sprint(seed)}})
				continue
			}
			r, err := p.store.Get(ctx, key, storage.GetOptions{})
			p.ok(err, "get while others put")
			var seed uint64
			_, err = fmt.Sscan(r.Object.Metadata["seed"], &seed)
			p.ok(err, "reading the metadata %q", r.Object.Metadata)
			err = content{seed: seed}.compare(r, 0, size-int64(seed))
			_ = r.Close()
			var e *storage.Error
			if err != nil && !errors.As(err, &e) {
				p.failf("expected one version's bytes with its metadata; of version %d: %v", seed, err)
			}
		}
	})
}
