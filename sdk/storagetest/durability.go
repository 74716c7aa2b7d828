package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func durabilityRules() []rule {
	after := func(name string, check func(ctx context.Context, p *probe), more ...capability) rule {
		return rule{group: "durability", name: name, needs: append([]capability{reopening, durable}, more...), check: check}
	}
	return []rule{
		after("objects-survive", func(ctx context.Context, p *probe) {
			large := content{seed: 90, size: p.room(p.opts.MaxValueBytes)}
			objs := []storage.Object{
				p.put(ctx, p.key("a"), "value", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}}).Object,
				p.set(ctx, p.key("empty"), ""),
				p.set(ctx, p.key("dir/../é\n"), "odd key"),
				p.putContent(ctx, p.key("large"), large, storage.PutOptions{}),
			}
			p.reopen(ctx)
			for _, obj := range objs {
				p.sameObject("the object after the reopening", p.stat(ctx, obj.Key), obj)
			}
			p.holds(ctx, p.key("a"), "value")
			p.holds(ctx, p.key("empty"), "")
			p.holds(ctx, p.key("dir/../é\n"), "odd key")
			p.holdsContent(ctx, p.key("large"), large)
		}),
		after("overwrites-and-deletes-survive", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			p.set(ctx, a, "old")
			p.set(ctx, b, "old")
			now := p.set(ctx, a, "new")
			p.remove(ctx, b)
			p.reopen(ctx)
			p.holds(ctx, a, "new")
			p.sameObject("the object after the reopening", p.stat(ctx, a), now)
			p.absent(ctx, b)
			equalList(p, "the listing after the reopening", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{a})
		}),
		after("a-broken-put-leaves-nothing", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			p.set(ctx, a, "old")
			for _, key := range []string{a, b} {
				if _, err := p.store.Put(ctx, key, failingBody(string(content{seed: 91, size: p.room(200_000) - 1}.bytes())), storage.PutOptions{}); err == nil {
					p.failf("expected a put whose body fails to fail; it succeeded")
				}
			}
			p.reopen(ctx)
			p.holds(ctx, a, "old")
			p.absent(ctx, b)
		}),
		after("etags-stay-fresh", func(ctx context.Context, p *probe) {
			key := p.key("k")
			seen := make(map[string]bool)
			for range 3 {
				for range 3 {
					obj := p.set(ctx, key, "same")
					if seen[obj.ETag] {
						p.failf("expected an etag that no version had before the reopening; got %q again", obj.ETag)
					}
					seen[obj.ETag] = true
				}
				p.remove(ctx, key)
				p.reopen(ctx)
			}
		}),
		after("conditions-hold-or-refuse", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "v")
			p.reopen(ctx)
			p.putRefused(ctx, key, storage.IfAbsent(), old.ETag)
			now := p.put(ctx, key, "new", storage.PutOptions{If: storage.IfETag(old.ETag)}).Object
			p.reopen(ctx)
			p.putRefused(ctx, key, storage.IfETag(old.ETag), now.ETag)
		}, conditionalPut),
		after("expiries-survive", func(ctx context.Context, p *probe) {
			long, short := p.key("long"), p.key("short")
			obj := p.put(ctx, long, "v", storage.PutOptions{TTL: time.Hour}).Object
			p.put(ctx, short, "v", storage.PutOptions{TTL: p.opts.TTL})
			p.reopen(ctx)
			p.expire(ctx)
			p.absent(ctx, short)
			p.sameObject("the object after the reopening", p.stat(ctx, long), obj)
			equalList(p, "the listing after the reopening", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{long})
		}, ttl),
		after("atomic-batches-survive-whole", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			p.set(ctx, a, "old")
			for _, res := range p.atomicBatch(ctx, deleteOp(a), putOp(b, "new")) {
				p.ok(res.Err, "an operation of an atomic batch")
			}
			p.reopen(ctx)
			p.absent(ctx, a)
			p.holds(ctx, b, "new")
		}, atomicBatch),
		after("tokens-go-on", func(ctx context.Context, p *probe) {
			keys := p.fill(ctx, "a", "b", "c", "d")
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
			p.reopen(ctx)
			equalList(p, "what follows after the reopening", p.rest(ctx, page, ""), keys[len(page.Objects):])
		}),
		after("a-cursor-goes-on-or-reports-a-gap", checkCursorAfterReopen, watching),
		after("what-was-acknowledged-while-closing-survives", checkWritesWhileClosing),
	}
}

func checkCursorAfterReopen(ctx context.Context, p *probe) {
	s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
	cursor := s.Cursor()
	before := p.set(ctx, p.key("k"), "before")
	p.ok(s.Close(), "close the stream")
	p.reopen(ctx)
	resumed := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix, Cursor: cursor})
	after := p.set(ctx, p.key("k"), "after")
	lost := true
	for {
		e, err := resumed.Next(ctx)
		if err != nil {
			p.failf("expected the events since the cursor, or a gap and those after it; got %v", err)
		}
		if e.Kind == storage.EventGap || e.ETag == before.ETag {
			lost = false
		}
		if e.ETag == after.ETag {
			break
		}
	}
	if lost {
		p.failf("expected the event since the cursor or a gap; it was dropped in silence")
	}
}

// checkWritesWhileClosing closes the backend under writers: each write is
// either acknowledged, and then there afterwards, or fails as Unavailable.
func checkWritesWhileClosing(ctx context.Context, p *probe) {
	store := p.store
	acknowledged := make([]int, p.opts.Concurrency)
	failures := make([]error, p.opts.Concurrency)
	var first, all sync.WaitGroup
	for i := range p.opts.Concurrency {
		first.Add(1)
		key := p.key(fmt.Sprint(i))
		all.Go(func() {
			for n := 1; failures[i] == nil; n++ {
				if _, failures[i] = store.Put(ctx, key, strings.NewReader(fmt.Sprint(n)), storage.PutOptions{}); failures[i] == nil {
					acknowledged[i] = n
				}
				if n == 1 {
					first.Done()
				}
			}
		})
	}
	first.Wait()
	p.reopen(ctx)
	all.Wait()
	for i, n := range acknowledged {
		if err := failures[i]; !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, storage.ErrCanceled) {
			p.failf("expected a write during the closing to succeed or to fail as Unavailable; got %v", err)
		}
		value, _ := p.get(ctx, p.key(fmt.Sprint(i)), storage.GetOptions{})
		if value != fmt.Sprint(n) && value != fmt.Sprint(n+1) {
			p.failf("expected version %d, the last that was acknowledged, or %d, which failed; got %s", n, n+1, value)
		}
	}
}
