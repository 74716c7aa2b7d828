package storagetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func pageRules() []rule {
	return []rule{
		{group: "pages", name: "pages-add-up-to-the-whole", check: func(ctx context.Context, p *probe) {
			var names []string
			for i := range 25 {
				names = append(names, fmt.Sprintf("%02d/%d", i/3, i))
			}
			want := p.fill(ctx, names...)
			for _, limit := range []int{1, 2, 7, 24, 25, 26} {
				got := p.list(ctx, storage.ListOptions{Prefix: p.prefix, Limit: limit})
				equalList(p, fmt.Sprintf("the listing in pages of %d", limit), got.keys(), want)
				if least := (len(want) + limit - 1) / limit; got.pages < least {
					p.failf("expected at least %d pages of %d; got %d", least, limit, got.pages)
				}
			}
		}},
		{group: "pages", name: "a-page-begins-after-the-token", check: func(ctx context.Context, p *probe) {
			keys := p.fill(ctx, "a", "b", "c", "d", "e")
			first := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
			again := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2, Token: first.NextToken})
			if len(again.Objects) == 0 || again.Objects[0].Key != keys[len(first.Objects)] {
				p.failf("expected the second page to begin with %q; got %q", keys[len(first.Objects)], listing{objects: again.Objects}.keys())
			}
			if repeat := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2, Token: first.NextToken}); len(repeat.Objects) == 0 || repeat.Objects[0].Key != again.Objects[0].Key {
				p.failf("expected a token to mean the same when used again; got %q", listing{objects: repeat.Objects}.keys())
			}
		}},
		{group: "pages", name: "deletes-between-pages-skip-nothing", check: func(ctx context.Context, p *probe) {
			keys := p.fill(ctx, "a", "b", "c", "d", "e", "f")
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
			n := len(page.Objects)
			for _, key := range keys[:n] {
				p.remove(ctx, key)
			}
			equalList(p, "what follows a page whose keys were deleted", p.rest(ctx, page, ""), keys[n:])
			p.remove(ctx, keys[n])
			equalList(p, "what follows when the next key was deleted too", p.rest(ctx, page, ""), keys[n+1:])
		}},
		{group: "pages", name: "inserts-between-pages-repeat-nothing", check: func(ctx context.Context, p *probe) {
			keys := p.fill(ctx, "b", "d", "f", "h")
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
			n := len(page.Objects)
			p.fill(ctx, "a", "a1", "a2", "a3")
			equalList(p, "what follows after inserts before it", p.rest(ctx, page, ""), keys[n:])
			behind := p.key("z")
			p.set(ctx, behind, "v")
			equalList(p, "what follows after an insert behind it", p.rest(ctx, page, ""), append(slices.Clone(keys[n:]), behind))
			next := page.Objects[n-1].Key + "\x01"
			p.set(ctx, p.claim(next), "v")
			equalList(p, "what follows after an insert right behind the token", p.rest(ctx, page, ""), slices.Concat([]string{next}, keys[n:], []string{behind}))
		}},
		{group: "pages", name: "overwrites-between-pages-change-nothing", check: func(ctx context.Context, p *probe) {
			keys := p.fill(ctx, "a", "b", "c", "d")
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 2})
			for _, key := range keys {
				p.set(ctx, key, "overwritten")
			}
			equalList(p, "what follows", p.rest(ctx, page, ""), keys[len(page.Objects):])
		}},
		{group: "pages", name: "a-token-after-a-common-prefix-goes-past-it", check: func(ctx context.Context, p *probe) {
			p.fill(ctx, "a/1", "a/2", "b", "c/1")
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix, Delimiter: "/", Limit: 1})
			equalList(p, "the common prefixes of the first page", page.Prefixes, []string{p.prefix + "a/"})
			p.fill(ctx, "a/0", "a/3", "a/\U0010ffff", "a")
			p.remove(ctx, p.key("a/1"))
			equalList(p, "the objects that follow", p.rest(ctx, page, "/"), []string{p.key("b")})
		}},
		{group: "pages", name: "listing-while-others-write-keeps-what-stays", check: checkListUnderWrites},
		{group: "pages", name: "the-default-limit-is-a-thousand", needs: []capability{batches}, check: func(ctx context.Context, p *probe) {
			const n = storage.DefaultListLimit + 1
			ops := make([]storage.BatchOp, n)
			for i := range ops {
				ops[i] = storage.BatchOp{Kind: storage.BatchPut, Key: p.key(fmt.Sprintf("%04d", i))}
			}
			p.batch(ctx, ops[:n/2])
			p.batch(ctx, ops[n/2:])
			page := p.page(ctx, storage.ListOptions{Prefix: p.prefix})
			if page.NextToken == "" {
				p.failf("expected a token after the first %d of %d objects; got none", len(page.Objects), n)
			}
			equal(p, "the number of objects", len(p.list(ctx, storage.ListOptions{Prefix: p.prefix}).objects), n)
			equal(p, "the number of objects", len(p.list(ctx, storage.ListOptions{Prefix: p.prefix, Limit: storage.MaxListLimit}).objects), n)
		}},
	}
}

// page reads the next page that is not empty; it fails the case if none is.
func (p *probe) page(ctx context.Context, opts storage.ListOptions) storage.Page {
	for range maxPages {
		page, err := p.store.List(ctx, opts)
		p.ok(err, "list %q", opts.Prefix)
		p.checkPage(opts, page)
		if len(page.Objects)+len(page.Prefixes) > 0 {
			return page
		}
		if page.NextToken == "" {
			break
		}
		opts.Token = page.NextToken
	}
	p.failf("expected a page with entries; got none")
	return storage.Page{}
}

// rest returns the keys of the pages that follow.
func (p *probe) rest(ctx context.Context, page storage.Page, delimiter string) []string {
	if page.NextToken == "" {
		p.failf("expected a token after the first page; got none")
	}
	return p.list(ctx, storage.ListOptions{Prefix: p.prefix, Delimiter: delimiter, Limit: 2, Token: page.NextToken}).keys()
}

// checkListUnderWrites lists in small pages while others create and delete
// keys: the keys nobody touches are listed, each once.
func checkListUnderWrites(ctx context.Context, p *probe) {
	var stay []string
	for i := range 20 {
		stay = append(stay, fmt.Sprintf("%02d", i))
	}
	want := p.fill(ctx, stay...)
	p.together(4, func(i int) {
		if i > 0 {
			for j := range 40 {
				key := p.key(fmt.Sprintf("%02d+%d", (j*7+i)%20, i))
				p.set(ctx, key, "v")
				p.remove(ctx, key)
			}
			return
		}
		for range 5 {
			got := p.list(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 3}).keys()
			got = slices.DeleteFunc(got, func(key string) bool { return !slices.Contains(want, key) })
			equalList(p, "the keys that nobody touches, in a listing while others write", got, want)
		}
	})
}
