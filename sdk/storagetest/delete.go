package storagetest

import (
	"context"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func deleteRules() []rule {
	return []rule{
		{group: "delete", name: "delete-removes-one-key", check: func(ctx context.Context, p *probe) {
			for _, k := range []string{"a", "a/b", "a/b/c", "ab"} {
				p.set(ctx, p.key(k), k)
			}
			p.remove(ctx, p.key("a/b"))
			p.absent(ctx, p.key("a/b"))
			for _, k := range []string{"a", "a/b/c", "ab"} {
				p.holds(ctx, p.key(k), k)
			}
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{p.key("a"), p.key("a/b/c"), p.key("ab")})
		}},
		{group: "delete", name: "delete-is-idempotent", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.remove(ctx, key)
			p.set(ctx, key, "v")
			p.remove(ctx, key)
			p.remove(ctx, key)
		}},
		{group: "delete", name: "existed-is-never-wrong", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.notClaimed("existed, of a key never stored", p.remove(ctx, key).Existed, storage.Yes)
			p.set(ctx, key, "")
			p.notClaimed("existed, of a stored key", p.remove(ctx, key).Existed, storage.No)
			p.notClaimed("existed, of a deleted key", p.remove(ctx, key).Existed, storage.Yes)
		}},
		{group: "delete", name: "a-deleted-key-can-be-stored-again", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for range 5 {
				p.put(ctx, key, "v", storage.PutOptions{Metadata: map[string]string{"a": "1"}})
				p.remove(ctx, key)
			}
			p.set(ctx, key, "again")
			value, obj := p.get(ctx, key, storage.GetOptions{})
			equal(p, "the value", value, "again")
			p.sameMetadata("the object", obj.Metadata, nil)
		}},
		{group: "delete", name: "one-of-many-deletes-removed-it", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "v")
			var existed atomic.Int64
			p.together(p.opts.Concurrency, func(int) {
				if p.remove(ctx, key).Existed == storage.Yes {
					existed.Add(1)
				}
			})
			if n := existed.Load(); n > 1 {
				p.failf("expected at most one of %d deletes at once to have removed the object; %d say so", p.opts.Concurrency, n)
			}
			p.absent(ctx, key)
		}},
	}
}
