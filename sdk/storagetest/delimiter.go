package storagetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// rollUp is one listing with a delimiter, below the prefix of its case.
type rollUp struct {
	prefix, delimiter string
	keys, prefixes    []string
}

// delimiterRule stores the names and expects each listing, whole and in pages
// of every small size.
func delimiterRule(name string, names []string, want ...rollUp) rule {
	return rule{group: "delimiter", name: name, check: func(ctx context.Context, p *probe) {
		p.fill(ctx, names...)
		for _, w := range want {
			under := func(names []string) []string {
				keys := make([]string, 0, len(names))
				for _, n := range names {
					keys = append(keys, p.prefix+n)
				}
				slices.Sort(keys)
				return keys
			}
			for _, limit := range []int{0, 1, 2, 3} {
				opts := storage.ListOptions{Prefix: p.prefix + w.prefix, Delimiter: w.delimiter, Limit: limit}
				got := p.list(ctx, opts)
				what := fmt.Sprintf("prefix %q, delimiter %q, limit %d", w.prefix, w.delimiter, limit)
				equalList(p, "the objects of "+what, got.keys(), under(w.keys))
				equalList(p, "the common prefixes of "+what, slices.Concat([]string{}, got.prefixes), under(w.prefixes))
			}
		}
	}}
}

func delimiterRules() []rule {
	return []rule{
		delimiterRule("keys-below-are-rolled-up",
			[]string{"a", "b/1", "b/2", "b/c/3", "d", "e/4", "f"},
			rollUp{"", "/", []string{"a", "d", "f"}, []string{"b/", "e/"}},
			rollUp{"b/", "/", []string{"b/1", "b/2"}, []string{"b/c/"}},
			rollUp{"b", "/", nil, []string{"b/"}},
			rollUp{"b/c/", "/", []string{"b/c/3"}, nil}),
		delimiterRule("a-key-and-its-children-stand-side-by-side",
			[]string{"a", "a/", "a/b", "a!", "a0", "a//", "a//b"},
			rollUp{"", "/", []string{"a", "a!", "a0"}, []string{"a/"}},
			rollUp{"a/", "/", []string{"a/", "a/b"}, []string{"a//"}},
			rollUp{"a", "/", []string{"a", "a!", "a0"}, []string{"a/"}}),
		delimiterRule("leading-and-doubled-delimiters",
			[]string{"/", "/a", "//", "//b", "c//d", "c/"},
			rollUp{"", "/", nil, []string{"/", "c/"}},
			rollUp{"/", "/", []string{"/", "/a"}, []string{"//"}},
			rollUp{"c/", "/", []string{"c/"}, []string{"c//"}}),
		delimiterRule("a-delimiter-of-several-bytes",
			[]string{"a::b", "a::c::d", "a:b", "a:", "a:::e", "x→y", "x→z→w", "x"},
			rollUp{"", "::", []string{"a:", "a:b", "x", "x→y", "x→z→w"}, []string{"a::"}},
			rollUp{"a::", "::", []string{"a::b", "a:::e"}, []string{"a::c::"}},
			rollUp{"", "→", []string{"a:", "a::b", "a:::e", "a::c::d", "a:b", "x"}, []string{"x→"}},
			rollUp{"x→", "→", []string{"x→y"}, []string{"x→z→"}}),
		delimiterRule("a-delimiter-that-is-a-letter",
			[]string{"banana", "bandana", "cab", "b"},
			rollUp{"", "a", []string{"b"}, []string{"ba", "ca"}},
			rollUp{"ban", "a", nil, []string{"bana", "banda"}},
			rollUp{"ban", "da", []string{"banana"}, []string{"banda"}}),
		delimiterRule("a-prefix-that-ends-inside-a-component",
			[]string{"foo/1", "foobar/2", "foobar/3", "food", "fo"},
			rollUp{"foo", "/", []string{"food"}, []string{"foo/", "foobar/"}},
			rollUp{"foob", "/", nil, []string{"foobar/"}}),
		{group: "delimiter", name: "the-limit-counts-objects-and-prefixes-together", check: func(ctx context.Context, p *probe) {
			p.fill(ctx, "a", "b/1", "b/2", "c", "d/1", "e")
			all := p.list(ctx, storage.ListOptions{Prefix: p.prefix, Delimiter: "/", Limit: 3})
			if all.pages < 2 {
				p.failf("expected at least 2 pages of 3 for 5 entries; got %d", all.pages)
			}
		}},
		{group: "delimiter", name: "a-common-prefix-comes-once", check: func(ctx context.Context, p *probe) {
			for i := range 30 {
				p.set(ctx, p.key(fmt.Sprintf("dir/%02d", i)), "v")
			}
			p.fill(ctx, "a", "z")
			got := p.list(ctx, storage.ListOptions{Prefix: p.prefix, Delimiter: "/", Limit: 1})
			equalList(p, "the common prefixes", got.prefixes, []string{p.prefix + "dir/"})
			equalList(p, "the objects", got.keys(), []string{p.key("a"), p.key("z")})
		}},
	}
}
