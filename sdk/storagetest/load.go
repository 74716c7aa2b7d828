package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func loadRules() []rule {
	return []rule{
		{group: "load", name: "callers-on-separate-keys-do-not-meet", check: func(ctx context.Context, p *probe) {
			p.together(p.opts.Concurrency, func(i int) { p.liveAlone(ctx, fmt.Sprintf("caller-%02d", i)) })
		}},
		{group: "load", name: "callers-on-the-same-keys-get-known-answers", check: func(ctx context.Context, p *probe) {
			keys := []string{p.key("a"), p.key("b"), p.key("c")}
			p.together(p.opts.Concurrency, func(i int) {
				for round := range 20 {
					p.ok(p.anyOperation(ctx, keys[(i+round)%len(keys)], i*7+round), "an operation among others")
				}
			})
			for _, key := range p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys() {
				if !slices.Contains(keys, key) {
					p.failf("expected no keys but those that were stored; got %q", key)
				}
				p.stat(ctx, key)
			}
		}},
		{group: "load", name: "large-values-at-once-keep-apart", check: func(ctx context.Context, p *probe) {
			size := p.room(1 << 20)
			p.together(min(p.opts.Concurrency, 8), func(i int) {
				value := content{seed: uint64(80 + i), size: size}
				key := p.key(fmt.Sprint(i))
				p.putContent(ctx, key, value, storage.PutOptions{})
				p.holdsContent(ctx, key, value)
			})
		}},
	}
}

// liveAlone uses a key nobody else does: everything it wrote it must read.
func (p *probe) liveAlone(ctx context.Context, name string) {
	key := p.key(name)
	for round := range 10 {
		want := fmt.Sprintf("%s, round %d", name, round)
		obj := p.set(ctx, key, want)
		p.holds(ctx, key, want)
		p.sameObject("what stat returned", p.stat(ctx, key), obj)
		equalList(p, "the listing of "+show(key), p.list(ctx, storage.ListOptions{Prefix: key}).keys(), []string{key})
		if round%3 == 2 {
			p.notClaimed("existed", p.remove(ctx, key).Existed, storage.No)
			p.absent(ctx, key)
		}
	}
}

// anyOperation does one of several things to a key that others use too. A
// missing key is a good answer.
func (p *probe) anyOperation(ctx context.Context, key string, which int) error {
	var err error
	switch which % 5 {
	case 0, 1:
		value := content{seed: uint64(which), size: p.room(int64(which) * 100)}
		_, err = p.store.Put(ctx, key, value.reader(), storage.PutOptions{})
	case 2:
		var r *storage.Reader
		if r, err = p.store.Get(ctx, key, storage.GetOptions{}); err == nil {
			_, err = r.Bytes()
		}
	case 3:
		_, err = p.store.Delete(ctx, key, storage.DeleteOptions{})
	case 4:
		_, err = p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}
