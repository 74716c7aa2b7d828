package storagetest

import (
	"context"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func ttlRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "ttl", name: name, needs: []capability{ttl}, check: check}
	}
	return []rule{
		on("an-object-lives-until-its-expiry", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.put(ctx, key, "v", storage.PutOptions{TTL: time.Hour}).Object
			p.holds(ctx, key, "v")
			p.sameObject("what stat returned", p.stat(ctx, key), obj)
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{key})
		}),
		on("expires-at-is-commit-plus-ttl", checkExpiresAt),
		on("expired-is-invisible-to-get-and-stat", func(ctx context.Context, p *probe) {
			key := p.expired(ctx, "k")
			p.absent(ctx, key)
		}),
		on("expired-is-invisible-to-if-match", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.put(ctx, key, "v", storage.PutOptions{TTL: p.opts.TTL}).Object
			p.expire(ctx)
			r, err := p.store.Get(ctx, key, storage.GetOptions{IfMatch: obj.ETag})
			if err == nil {
				_ = r.Close()
			}
			p.fails(err, storage.CodeNotFound, "get with the etag of an expired object")
			_, err = p.store.Stat(ctx, key, storage.StatOptions{IfMatch: obj.ETag})
			p.fails(err, storage.CodeNotFound, "stat with the etag of an expired object")
		}),
		on("expired-is-invisible-to-list", func(ctx context.Context, p *probe) {
			p.set(ctx, p.key("a"), "v")
			p.set(ctx, p.key("z"), "v")
			p.put(ctx, p.key("dir/x"), "v", storage.PutOptions{TTL: p.opts.TTL})
			p.expired(ctx, "m")
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{p.key("a"), p.key("z")})
			rolled := p.list(ctx, storage.ListOptions{Prefix: p.prefix, Delimiter: "/", Limit: 1})
			equalList(p, "the listing with a delimiter", rolled.keys(), []string{p.key("a"), p.key("z")})
			equalList(p, "its common prefixes", rolled.prefixes, nil)
		}),
		on("expired-did-not-exist-for-delete", func(ctx context.Context, p *probe) {
			key := p.expired(ctx, "k")
			p.notClaimed("existed, of an expired key", p.remove(ctx, key).Existed, storage.Yes)
		}),
		on("expired-is-created-anew-by-put", func(ctx context.Context, p *probe) {
			key := p.expired(ctx, "k")
			p.notClaimed("created over an expired object", p.put(ctx, key, "new", storage.PutOptions{}).Created, storage.No)
			p.holds(ctx, key, "new")
		}),
		on("expired-cannot-be-copied", func(ctx context.Context, p *probe) {
			key := p.expired(ctx, "k")
			_, err := p.store.Copy(ctx, key, p.key("copy"), storage.CopyOptions{})
			p.fails(err, storage.CodeNotFound, "a copy of an expired object")
			p.absent(ctx, p.key("copy"))
		}),
		on("a-put-without-ttl-clears-the-expiry", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.put(ctx, key, "old", storage.PutOptions{TTL: p.opts.TTL})
			if obj := p.set(ctx, key, "new"); !obj.ExpiresAt.IsZero() {
				p.failf("expected no expiry; got %v", obj.ExpiresAt)
			}
			p.expire(ctx)
			p.holds(ctx, key, "new")
		}),
		on("a-put-replaces-the-expiry", func(ctx context.Context, p *probe) {
			longer, shorter := p.key("longer"), p.key("shorter")
			p.put(ctx, longer, "v", storage.PutOptions{TTL: p.opts.TTL})
			p.put(ctx, longer, "v", storage.PutOptions{TTL: time.Hour})
			p.put(ctx, shorter, "v", storage.PutOptions{TTL: time.Hour})
			p.put(ctx, shorter, "v", storage.PutOptions{TTL: p.opts.TTL})
			p.expire(ctx)
			p.holds(ctx, longer, "v")
			p.absent(ctx, shorter)
		}),
		on("a-stored-again-object-outlives-the-old-expiry", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.put(ctx, key, "old", storage.PutOptions{TTL: p.opts.TTL})
			p.remove(ctx, key)
			p.set(ctx, key, "new")
			p.expire(ctx)
			p.holds(ctx, key, "new")
		}),
		on("the-longest-ttl-is-accepted", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.put(ctx, key, "v", storage.PutOptions{TTL: storage.MaxTTL}).Object
			if obj.ExpiresAt.Before(p.opts.Now().Add(storage.MaxTTL - p.opts.ClockSkew)) {
				p.failf("expected an expiry in 100 years; got %v", obj.ExpiresAt)
			}
			p.holds(ctx, key, "v")
		}),
		{group: "ttl", name: "a-negative-or-too-long-ttl-is-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for _, d := range []time.Duration{-1, -time.Hour, storage.MaxTTL + 1} {
				_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{TTL: d})
				p.fails(err, storage.CodeInvalidArgument, "a put with a TTL of "+d.String())
			}
			p.absent(ctx, key)
		}},
	}
}

// expired stores an object and waits until it has expired.
func (p *probe) expired(ctx context.Context, name string) string {
	key := p.key(name)
	p.put(ctx, key, "old", storage.PutOptions{TTL: p.opts.TTL})
	p.expire(ctx)
	return key
}

// checkExpiresAt compares the expiry with the backend's own time of the commit
// and with the kit's clock. A second is allowed for backends that round.
func checkExpiresAt(ctx context.Context, p *probe) {
	key := p.key("k")
	before := p.opts.Now()
	obj := p.put(ctx, key, "v", storage.PutOptions{TTL: time.Hour}).Object
	after := p.opts.Now()
	if lived := obj.ExpiresAt.Sub(obj.ModTime); lived < time.Hour-time.Second || lived > time.Hour+time.Second {
		p.failf("expected the expiry an hour after the time of the commit, %v; got %v", obj.ModTime, obj.ExpiresAt)
	}
	if obj.ExpiresAt.Before(before.Add(time.Hour-p.opts.ClockSkew)) || obj.ExpiresAt.After(after.Add(time.Hour+p.opts.ClockSkew)) {
		p.failf("expected an expiry an hour after %v, give or take %v; got %v", after, p.opts.ClockSkew, obj.ExpiresAt)
	}
	_, got := p.get(ctx, key, storage.GetOptions{})
	p.sameObject("what get returned", got, obj)
}
