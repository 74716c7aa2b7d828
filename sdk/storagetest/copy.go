package storagetest

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (p *probe) copyOf(ctx context.Context, src, dst string, opts storage.CopyOptions) storage.PutResult {
	res, err := p.store.Copy(ctx, src, dst, opts)
	p.ok(err, "copy %q to %q", src, dst)
	return res
}

func copyRules() []rule {
	return []rule{
		{group: "copy", name: "everything-is-copied", check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			from := p.put(ctx, src, "value", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}}).Object
			p.put(ctx, dst, "old", storage.PutOptions{ContentType: "text/old", Metadata: map[string]string{"b": "2"}})
			res := p.copyOf(ctx, src, dst, storage.CopyOptions{})
			p.notClaimed("created", res.Created, storage.Yes)
			p.sameObject("what copy returned", res.Object, p.stat(ctx, dst))
			equal(p, "the key", res.Object.Key, dst)
			equal(p, "the content type", res.Object.ContentType, from.ContentType)
			equal(p, "the CRC-32C", res.Object.CRC32C, from.CRC32C)
			p.sameMetadata("the copy", res.Object.Metadata, from.Metadata)
			p.holds(ctx, dst, "value")
			p.sameObject("the source", p.stat(ctx, src), from)
		}},
		{group: "copy", name: "a-copy-stands-by-itself", check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			p.set(ctx, src, "value")
			p.notClaimed("created", p.copyOf(ctx, src, dst, storage.CopyOptions{}).Created, storage.No)
			p.set(ctx, src, "changed")
			p.holds(ctx, dst, "value")
			p.remove(ctx, src)
			p.holds(ctx, dst, "value")
		}},
		{group: "copy", name: "a-missing-source-is-not-found", check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			p.set(ctx, dst, "old")
			_, err := p.store.Copy(ctx, src, dst, storage.CopyOptions{})
			e := p.fails(err, storage.CodeNotFound, "a copy of a missing key")
			equal(p, "the key of the error", e.Key, src)
			p.holds(ctx, dst, "old")
		}},
		{group: "copy", name: "a-copy-onto-itself-is-a-new-version", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.put(ctx, key, "value", storage.PutOptions{ContentType: "text/plain"}).Object
			now := p.copyOf(ctx, key, key, storage.CopyOptions{}).Object
			if now.ETag == old.ETag {
				p.failf("expected a fresh etag; got %q again", now.ETag)
			}
			equal(p, "the content type", now.ContentType, "text/plain")
			p.holds(ctx, key, "value")
		}},
		{group: "copy", name: "source-if-match-holds-or-refuses", check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			old := p.set(ctx, src, "same")
			now := p.set(ctx, src, "same")
			_, err := p.store.Copy(ctx, src, dst, storage.CopyOptions{SourceIfMatch: old.ETag})
			p.refuses(err, now.ETag, "a copy of an older version of the source")
			p.absent(ctx, dst)
			p.copyOf(ctx, src, dst, storage.CopyOptions{SourceIfMatch: now.ETag})
			p.holds(ctx, dst, "same")
		}},
		{group: "copy", name: "conditions-on-the-destination-hold-or-refuse", needs: []capability{conditionalPut}, check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			p.set(ctx, src, "value")
			old := p.set(ctx, dst, "old")
			_, err := p.store.Copy(ctx, src, dst, storage.CopyOptions{If: storage.IfAbsent()})
			p.refuses(err, old.ETag, "a copy on the condition of absence")
			p.holds(ctx, dst, "old")
			p.copyOf(ctx, src, dst, storage.CopyOptions{If: storage.IfETag(old.ETag)})
			p.holds(ctx, dst, "value")
			p.copyOf(ctx, src, p.key("new"), storage.CopyOptions{If: storage.IfAbsent()})
			p.holds(ctx, p.key("new"), "value")
		}},
		{group: "copy", name: "the-expiry-is-copied", needs: []capability{ttl}, check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			from := p.put(ctx, src, "value", storage.PutOptions{TTL: time.Hour}).Object
			to := p.copyOf(ctx, src, dst, storage.CopyOptions{}).Object
			if off := to.ExpiresAt.Sub(from.ExpiresAt).Abs(); to.ExpiresAt.IsZero() || off > p.opts.ClockSkew {
				p.failf("expected the expiry of the source, %v; got %v", from.ExpiresAt, to.ExpiresAt)
			}
		}},
		{group: "copy", name: "a-large-value-is-copied", check: func(ctx context.Context, p *probe) {
			src, dst := p.key("src"), p.key("dst")
			value := content{seed: 60, size: p.room(min(p.opts.MaxValueBytes, 5<<20+1))}
			p.putContent(ctx, src, value, storage.PutOptions{})
			p.copyOf(ctx, src, dst, storage.CopyOptions{})
			p.holdsContent(ctx, dst, value)
		}},
	}
}
