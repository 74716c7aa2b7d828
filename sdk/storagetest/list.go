package storagetest

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fill stores an object under each name and returns the keys in order.
func (p *probe) fill(ctx context.Context, names ...string) []string {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		p.set(ctx, p.key(name), name)
		keys = append(keys, p.key(name))
	}
	slices.Sort(keys)
	return keys
}

func listRules() []rule {
	return []rule{
		{group: "list", name: "order-is-bytewise", check: func(ctx context.Context, p *probe) {
			want := p.fill(ctx, "b", "a", "B", "a/b", "a!b", "a0", "ab", "aa", "é", "z", "😀", "\ufffd", "\uff5e", "10", "9", "_", "~", "\x01", " ", "a/", "A/b")
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), want)
			equalList(p, "the listing in pages of 3", p.list(ctx, storage.ListOptions{Prefix: p.prefix, Limit: 3}).keys(), want)
		}},
		{group: "list", name: "a-prefix-selects", check: func(ctx context.Context, p *probe) {
			p.fill(ctx, "a", "ab", "ab/c", "abc", "abc/d", "ac", "b", "Ab", "x/ab")
			for prefix, want := range map[string][]string{
				"ab":    {"ab", "ab/c", "abc", "abc/d"},
				"abc":   {"abc", "abc/d"},
				"ab/":   {"ab/c"},
				"ab/c":  {"ab/c"},
				"ab/cd": {},
				"a":     {"a", "ab", "ab/c", "abc", "abc/d", "ac"},
				"x/a":   {"x/ab"},
				"zz":    {},
			} {
				keys := make([]string, 0, len(want))
				for _, k := range want {
					keys = append(keys, p.key(k))
				}
				equalList(p, "the listing of prefix "+show(prefix), p.list(ctx, storage.ListOptions{Prefix: p.prefix + prefix}).keys(), keys)
			}
		}},
		{group: "list", name: "a-prefix-is-taken-literally", check: func(ctx context.Context, p *probe) {
			p.fill(ctx, "a%b", "a_b", "a*b", "axb", "a[x]b", `a\b`, "a.b", "a?b", "../b", "b")
			for _, prefix := range []string{"a%", "a_", "a*", "a[", `a\`, "a.", "a?", "../"} {
				got := p.list(ctx, storage.ListOptions{Prefix: p.prefix + prefix}).keys()
				if len(got) != 1 {
					p.failf("expected one key with the prefix %q; got %q", prefix, got)
				}
			}
		}},
		{group: "list", name: "no-prefix-lists-everything", needs: []capability{alone}, check: func(ctx context.Context, p *probe) {
			want := []string{"0", "storagetest", "\U0010ffff"}
			for _, key := range want {
				p.set(ctx, p.claim(key), "v")
			}
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{}).keys(), want)
			equalList(p, "the listing in pages of 1", p.list(ctx, storage.ListOptions{Limit: 1}).keys(), want)
		}},
		{group: "list", name: "nothing-gives-an-empty-listing", check: func(ctx context.Context, p *probe) {
			for _, opts := range []storage.ListOptions{{Prefix: p.prefix}, {Prefix: p.prefix, Delimiter: "/"}, {Prefix: p.prefix, Limit: 1}} {
				got := p.list(ctx, opts)
				equal(p, "the number of objects", len(got.objects), 0)
				equal(p, "the number of common prefixes", len(got.prefixes), 0)
			}
		}},
		{group: "list", name: "objects-are-whole", check: func(ctx context.Context, p *probe) {
			a := p.put(ctx, p.key("a"), "first", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}}).Object
			b := p.set(ctx, p.key("b"), "")
			got := p.list(ctx, storage.ListOptions{Prefix: p.prefix})
			equalList(p, "the listing", got.keys(), []string{a.Key, b.Key})
			p.sameObject("the first object of the listing", got.objects[0], a)
			p.sameObject("the second object of the listing", got.objects[1], b)
		}},
		{group: "list", name: "a-write-shows-at-once", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for range 5 {
				obj := p.set(ctx, key, "v")
				got := p.list(ctx, storage.ListOptions{Prefix: p.prefix})
				equalList(p, "the listing after a put", got.keys(), []string{key})
				equal(p, "the etag in the listing after a put", got.objects[0].ETag, obj.ETag)
				p.remove(ctx, key)
				equalList(p, "the listing after a delete", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{})
			}
		}},
		{group: "list", name: "a-returned-page-is-the-callers", check: func(ctx context.Context, p *probe) {
			obj := p.put(ctx, p.key("k"), "v", storage.PutOptions{Metadata: map[string]string{"a": "1"}}).Object
			page := p.list(ctx, storage.ListOptions{Prefix: p.prefix})
			equal(p, "the number of objects", len(page.objects), 1)
			page.objects[0].Metadata["a"] = "changed by the caller"
			p.sameMetadata("the object", p.stat(ctx, obj.Key).Metadata, map[string]string{"a": "1"})
		}},
		{group: "list", name: "a-bad-limit-is-refused", check: func(ctx context.Context, p *probe) {
			for _, limit := range []int{-1, storage.MaxListLimit + 1} {
				_, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Limit: limit})
				p.fails(err, storage.CodeInvalidArgument, "a listing with a bad limit")
			}
			_, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Limit: storage.MaxListLimit})
			p.ok(err, "a listing with the highest limit")
		}},
		{group: "list", name: "a-bad-token-is-refused", check: func(ctx context.Context, p *probe) {
			p.fill(ctx, "a", "b")
			for _, token := range []string{"!! not a token !!", " ", "%00", "\n"} {
				_, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Token: token})
				p.fails(err, storage.CodeInvalidArgument, "a listing with the token "+show(token))
			}
		}},
	}
}
