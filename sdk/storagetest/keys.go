package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func keyRules() []rule {
	sets := []struct {
		name string
		keys []string
	}{
		{"unicode-keys-are-kept", []string{"日本語", "🦀 crab", "Ελληνικά", "עברית", "\u200b", "\ufeffbom", "\u202eright-to-left", "\ufffd"}},
		{"dots-are-ordinary", []string{"..", "../..", "../b", ".", "./a", "a", "a/.", "a/..", "a/../b", "b", "...", ".hidden"}},
		{"slashes-are-ordinary", []string{"/", "//", "/lead", "lead", "trail", "trail/", "trail//", "a/b", "a//b", "a///b"}},
		{"backslashes-are-ordinary", []string{`\`, `\\`, `a\b`, "a/b", `\\server\share`, `C:\x`, `a\..\b`}},
		{"control-characters-are-ordinary", []string{"\x01", "\t", "\n", "\r\n", "\r", "\x1b[31m", "\x7f", "\u0085", "\u2028", "a\nb"}},
		{"spaces-and-dots-at-the-ends-are-kept", []string{" ", "  ", "a", " a", "a ", " a ", "a.", "a..", "a b", "a  b", "\u00a0a"}},
		{"reserved-characters-are-ordinary", []string{"%", "%2F", "a%2Fb", "a/b", "a%252Fb", "a?b", "a#b", "a+b", "a b", "a:b", "a*b", "<|>", `"'`, "a&b=c;$d", "a,b", "[x]", "{y}", "^~`", "a@b!c"}},
		{"file-names-with-a-meaning-are-ordinary", []string{"CON", "nul", "aux.txt", "LOCK", ".lock", "MANIFEST", "CURRENT", ".tmp", "tmp", "~", "$HOME", "-rf", "index", "lost+found", ".DS_Store"}},
		{"a-key-and-its-children-coexist", []string{"a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/d"}},
		{"letter-case-distinguishes", []string{"key", "Key", "KEY", "kEY", "straße", "STRASSE", "i", "I", "ı", "İ", "ſ", "s"}},
		{"unicode-normalisation-distinguishes", []string{"\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "ﬁ", "fi", "\uac00", "\u1100\u1161"}},
	}
	rules := make([]rule, 0, len(sets)+4)
	for _, set := range sets {
		rules = append(rules, rule{group: "keys", name: set.name, check: func(ctx context.Context, p *probe) {
			keys := make([]string, len(set.keys))
			for i, k := range set.keys {
				keys[i] = p.prefix + k
			}
			checkKeySet(ctx, p, keys)
		}})
	}
	return append(rules,
		rule{group: "keys", name: "keys-of-1024-bytes-are-kept", check: checkLongestKeys},
		rule{group: "keys", name: "long-and-many-components-are-kept", check: checkComponents},
		rule{group: "keys", name: "keys-of-one-byte-are-kept", needs: []capability{alone}, check: func(ctx context.Context, p *probe) {
			checkKeySet(ctx, p, []string{"a", "A", "/", ".", `\`, "~", "\x01", " ", "%"})
		}},
		rule{group: "keys", name: "keys-that-begin-like-paths-are-kept", needs: []capability{alone}, check: func(ctx context.Context, p *probe) {
			checkKeySet(ctx, p, []string{"/etc/passwd", "etc/passwd", "..", "../x", "./x", "x", `C:\x`, "~/x", "//x"})
		}},
	)
}

// checkKeySet stores a value under each key and expects them to be told apart
// by every operation.
func checkKeySet(ctx context.Context, p *probe, keys []string) {
	for i, key := range keys {
		obj := p.set(ctx, p.claim(key), fmt.Sprintf("value %d", i))
		equal(p, "the key that put returned", obj.Key, key)
	}
	for i, key := range keys {
		value, obj := p.get(ctx, key, storage.GetOptions{})
		equal(p, "the value of "+show(key), value, fmt.Sprintf("value %d", i))
		equal(p, "the key that get returned", obj.Key, key)
		equal(p, "the key that stat returned", p.stat(ctx, key).Key, key)
	}
	under := ""
	if strings.HasPrefix(keys[0], p.prefix) {
		under = p.prefix
	}
	equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: under}).keys(), slices.Sorted(slices.Values(keys)))
	for i, key := range keys {
		p.remove(ctx, key)
		p.absent(ctx, key)
		if i+1 < len(keys) {
			p.holds(ctx, keys[i+1], fmt.Sprintf("value %d", i+1))
		}
	}
}

func checkLongestKeys(ctx context.Context, p *probe) {
	room := storage.MaxKeyBytes - len(p.prefix)
	wide := strings.Repeat("語", room/3)
	checkKeySet(ctx, p, []string{
		p.prefix + strings.Repeat("k", room),
		p.prefix + strings.Repeat("k", room-1),
		p.prefix + strings.Repeat("k", room-1) + "l",
		p.prefix + wide + strings.Repeat("x", room-len(wide)),
		p.prefix + strings.Repeat("/", room),
		p.prefix + strings.Repeat("%", room),
		p.prefix + strings.Repeat("../", room/3),
	})
}

func checkComponents(ctx context.Context, p *probe) {
	checkKeySet(ctx, p, []string{
		p.prefix + strings.Repeat("c", 254),
		p.prefix + strings.Repeat("c", 255),
		p.prefix + strings.Repeat("c", 256),
		p.prefix + strings.Repeat("c", 256) + "/d",
		p.prefix + strings.Repeat("C", 256),
		p.prefix + strings.Repeat("é", 200) + "/" + strings.Repeat("é", 150),
		p.prefix + strings.Repeat("d/", 200),
		p.prefix + strings.Repeat("d/", 200) + "e",
	})
}

func keyRefusalRules() []rule {
	invalid := []struct{ name, key string }{
		{"an-empty-key-is-refused", ""},
		{"a-key-of-1025-bytes-is-refused", strings.Repeat("k", storage.MaxKeyBytes+1)},
		{"a-key-with-nul-is-refused", "storagetest\x00key"},
		{"a-key-of-bad-utf8-is-refused", "storagetest\xff\xfekey"},
	}
	rules := make([]rule, 0, len(invalid))
	for _, in := range invalid {
		rules = append(rules, rule{group: "keys", name: in.name, check: func(ctx context.Context, p *probe) {
			checkKeyRefused(ctx, p, p.claim(in.key))
		}})
	}
	return rules
}

func checkKeyRefused(ctx context.Context, p *probe, key string) {
	r, err := p.store.Get(ctx, key, storage.GetOptions{})
	if err == nil {
		_ = r.Close()
	}
	p.fails(err, storage.CodeInvalidArgument, "get")
	_, err = p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{})
	p.fails(err, storage.CodeInvalidArgument, "put")
	_, err = p.store.Stat(ctx, key, storage.StatOptions{})
	p.fails(err, storage.CodeInvalidArgument, "stat")
	_, err = p.store.Delete(ctx, key, storage.DeleteOptions{})
	p.fails(err, storage.CodeInvalidArgument, "delete")
	_, err = p.store.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchPut, Key: key}}, storage.BatchOptions{})
	p.fails(err, storage.CodeInvalidArgument, "a batch")

	good := p.key("good")
	p.set(ctx, good, "v")
	_, err = p.store.Copy(ctx, good, key, storage.CopyOptions{})
	p.fails(err, storage.CodeInvalidArgument, "a copy to it")
	_, err = p.store.Copy(ctx, key, good, storage.CopyOptions{})
	p.fails(err, storage.CodeInvalidArgument, "a copy from it")
	if key == "" {
		return // an empty prefix is none
	}
	_, err = p.store.List(ctx, storage.ListOptions{Prefix: key})
	p.fails(err, storage.CodeInvalidArgument, "a listing of the prefix")
	if p.caps.Watch {
		stream, err := p.store.Watch(ctx, storage.WatchOptions{Prefix: key})
		if err == nil {
			_ = stream.Close()
		}
		p.fails(err, storage.CodeInvalidArgument, "a watch of the prefix")
	}
}
