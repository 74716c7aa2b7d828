package storagetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func putRules() []rule {
	return []rule{
		{group: "put", name: "a-value-comes-back", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "value")
			p.holds(ctx, key, "value")
		}},
		{group: "put", name: "a-put-replaces-everything", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.put(ctx, key, "old and longer", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"old": "1"}})
			p.set(ctx, key, "new")
			value, obj := p.get(ctx, key, storage.GetOptions{})
			equal(p, "the value", value, "new")
			equal(p, "the size", obj.Size, 3)
			equal(p, "the content type", obj.ContentType, "")
			p.sameMetadata("the object", obj.Metadata, nil)
		}},
		{group: "put", name: "the-result-is-the-committed-object", check: checkPutResult},
		{group: "put", name: "mod-time-is-the-time-of-the-commit", check: func(ctx context.Context, p *probe) {
			before := p.opts.Now()
			obj := p.set(ctx, p.key("k"), "v")
			after := p.opts.Now()
			if obj.ModTime.Before(before.Add(-p.opts.ClockSkew)) || obj.ModTime.After(after.Add(p.opts.ClockSkew)) {
				p.failf("expected a time between %v and %v, give or take %v; got %v", before, after, p.opts.ClockSkew, obj.ModTime)
			}
			if again := p.set(ctx, p.key("k"), "v"); again.ModTime.Before(obj.ModTime) {
				p.failf("expected the time of a later put not to be before %v; got %v", obj.ModTime, again.ModTime)
			}
		}},
		{group: "put", name: "created-is-never-wrong", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.notClaimed("created by the first put", p.put(ctx, key, "v", storage.PutOptions{}).Created, storage.No)
			p.notClaimed("created by the second put", p.put(ctx, key, "v", storage.PutOptions{}).Created, storage.Yes)
			p.remove(ctx, key)
			p.notClaimed("created by a put after a delete", p.put(ctx, key, "v", storage.PutOptions{}).Created, storage.No)
		}},
		{group: "put", name: "identical-bytes-get-a-fresh-etag", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			seen := make(map[string]bool)
			for i := range 10 {
				obj := p.set(ctx, key, "same")
				if seen[obj.ETag] {
					p.failf("expected put %d to give an etag of its own; got %q again", i+1, obj.ETag)
				}
				seen[obj.ETag] = true
			}
		}},
		{group: "put", name: "a-deleted-object-gives-no-etag-back", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "same")
			p.remove(ctx, key)
			if now := p.set(ctx, key, "same"); now.ETag == old.ETag {
				p.failf("expected an etag that no earlier version had; got %q again", now.ETag)
			}
		}},
		{group: "put", name: "etags-are-well-formed", check: func(ctx context.Context, p *probe) {
			for i := range 5 {
				obj := p.set(ctx, p.key(fmt.Sprintf("k%d", i)), fmt.Sprint(i))
				p.ok(storage.ValidateETag(obj.ETag), "the etag %q", obj.ETag)
			}
		}},
		{group: "put", name: "writes-of-one-caller-keep-their-order", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for i := range 20 {
				want := fmt.Sprintf("version %d", i)
				p.set(ctx, key, want)
				p.holds(ctx, key, want)
			}
		}},
		{group: "put", name: "a-value-over-the-declared-limit-is-too-large", needs: []capability{maxValueSize}, check: checkTooLarge},
		{group: "put", name: "malformed-options-are-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for _, in := range []struct {
				what string
				opts storage.PutOptions
			}{
				{"a content type of 257 bytes", storage.PutOptions{ContentType: strings.Repeat("x", storage.MaxContentTypeBytes+1)}},
				{"a content type with a line break", storage.PutOptions{ContentType: "text/plain\r\nx: y"}},
				{"a negative size hint", storage.PutOptions{SizeHint: -1}},
				{"an unknown condition", storage.PutOptions{If: storage.Condition{Kind: 99}}},
				{"a stray etag", storage.PutOptions{If: storage.Condition{ETag: "x"}}},
			} {
				_, err := p.store.Put(ctx, key, strings.NewReader("v"), in.opts)
				p.fails(err, storage.CodeInvalidArgument, "put with "+in.what)
			}
			p.absent(ctx, key)
		}},
	}
}

func checkPutResult(ctx context.Context, p *probe) {
	key := p.key("k")
	opts := storage.PutOptions{ContentType: "application/json; charset=utf-8", Metadata: map[string]string{"author": "someone", "x.y_z-0": "a  b"}}
	obj := p.put(ctx, key, "123456789", opts).Object
	equal(p, "the key", obj.Key, key)
	equal(p, "the size", obj.Size, 9)
	equal(p, "the CRC-32C of 123456789", obj.CRC32C, 0xe3069283)
	equal(p, "the content type", obj.ContentType, opts.ContentType)
	p.sameMetadata("the result", obj.Metadata, opts.Metadata)
	if !obj.ExpiresAt.IsZero() {
		p.failf("expected no expiry without a TTL; got %v", obj.ExpiresAt)
	}
	p.sameObject("what stat returned", p.stat(ctx, key), obj)
	_, got := p.get(ctx, key, storage.GetOptions{})
	p.sameObject("what get returned", got, obj)
}

func checkTooLarge(ctx context.Context, p *probe) {
	key := p.key("k")
	limit := p.caps.MaxValueSize
	p.set(ctx, key, "old")
	_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{SizeHint: limit + 1})
	p.fails(err, storage.CodeTooLarge, fmt.Sprintf("a put that announces %d bytes", limit+1))
	if limit <= p.opts.MaxValueBytes {
		over := content{seed: 9, size: limit + 1}
		_, err = p.store.Put(ctx, key, over.reader(), storage.PutOptions{})
		p.fails(err, storage.CodeTooLarge, fmt.Sprintf("a put of %d bytes", limit+1))
	}
	p.holds(ctx, key, "old")
}
