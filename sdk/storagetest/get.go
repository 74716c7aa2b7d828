package storagetest

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func getRules() []rule {
	return []rule{
		{group: "get", name: "a-missing-key-is-not-found", check: func(ctx context.Context, p *probe) {
			p.absent(ctx, p.key("missing"))
			p.set(ctx, p.key("present/child"), "v")
			p.absent(ctx, p.key("present"))
			p.absent(ctx, p.key("present/"))
			p.absent(ctx, p.key("present/child/grandchild"))
		}},
		{group: "get", name: "an-empty-value-is-a-value", check: func(ctx context.Context, p *probe) {
			key := p.key("empty")
			p.set(ctx, key, "")
			p.holds(ctx, key, "")
			equal(p, "the size", p.stat(ctx, key).Size, 0)
		}},
		{group: "get", name: "the-reader-carries-the-object", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.put(ctx, key, "value", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}}).Object
			r := p.open(ctx, key, storage.GetOptions{})
			p.sameObject("what get returned", r.Object, obj)
			equal(p, "the offset", r.Offset, 0)
			equal(p, "the length", r.Length, 5)
		}},
		{group: "get", name: "the-reader-ends-with-eof", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "value")
			r := p.open(ctx, key, storage.GetOptions{})
			value, err := io.ReadAll(r)
			p.ok(err, "reading")
			equal(p, "the value", string(value), "value")
			for range 2 {
				if n, err := r.Read(make([]byte, 8)); n != 0 || err != io.EOF { //nolint:errorlint // io.EOF is never wrapped
					p.failf("expected io.EOF after the end; got %d bytes and %v", n, err)
				}
			}
		}},
		{group: "get", name: "a-deleted-key-is-not-found", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "value")
			p.remove(ctx, key)
			p.absent(ctx, key)
		}},
		{group: "get", name: "if-match-gives-the-version", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "0123456789")
			value, _ := p.get(ctx, key, storage.GetOptions{IfMatch: obj.ETag})
			equal(p, "the value", value, "0123456789")
			value, _ = p.get(ctx, key, storage.GetOptions{IfMatch: obj.ETag, Range: storage.RangeFrom(7)})
			equal(p, "the rest of the value", value, "789")
		}},
		{group: "get", name: "if-match-refuses-another-version", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "same")
			now := p.set(ctx, key, "same")
			for _, o := range []storage.GetOptions{{IfMatch: old.ETag}, {IfMatch: old.ETag, Range: storage.RangeFrom(2)}} {
				r, err := p.store.Get(ctx, key, o)
				if err == nil {
					_ = r.Close()
				}
				p.refuses(err, now.ETag, "get with the etag of an older version")
			}
		}},
		{group: "get", name: "if-match-of-a-missing-key-is-not-found", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "v")
			p.remove(ctx, key)
			r, err := p.store.Get(ctx, key, storage.GetOptions{IfMatch: obj.ETag})
			if err == nil {
				_ = r.Close()
			}
			p.fails(err, storage.CodeNotFound, "get with the etag of a deleted object")
		}},
		{group: "get", name: "if-match-of-no-etag-is-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "v")
			r, err := p.store.Get(ctx, key, storage.GetOptions{IfMatch: `"quoted"`})
			if err == nil {
				_ = r.Close()
			}
			p.fails(err, storage.CodeInvalidArgument, "get with a malformed etag")
		}},
	}
}

func statRules() []rule {
	return []rule{
		{group: "stat", name: "stat-tells-what-get-does", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.put(ctx, key, "value", storage.PutOptions{ContentType: "text/x; a=b", Metadata: map[string]string{"a": "1", "b-c": "two words"}}).Object
			p.sameObject("what stat returned", p.stat(ctx, key), obj)
			_, got := p.get(ctx, key, storage.GetOptions{})
			p.sameObject("what get returned", got, obj)
		}},
		{group: "stat", name: "if-match-holds-or-refuses", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "v")
			now := p.set(ctx, key, "v")
			o, err := p.store.Stat(ctx, key, storage.StatOptions{IfMatch: now.ETag})
			p.ok(err, "stat with the current etag")
			equal(p, "the etag", o.ETag, now.ETag)
			_, err = p.store.Stat(ctx, key, storage.StatOptions{IfMatch: old.ETag})
			p.refuses(err, now.ETag, "stat with the etag of an older version")
		}},
		{group: "stat", name: "if-match-of-a-missing-key-is-not-found", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "v")
			p.remove(ctx, key)
			_, err := p.store.Stat(ctx, key, storage.StatOptions{IfMatch: obj.ETag})
			p.fails(err, storage.CodeNotFound, "stat with the etag of a deleted object")
		}},
	}
}
