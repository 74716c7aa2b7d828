package storagetest

import (
	"context"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func metadataRules() []rule {
	return []rule{
		{group: "metadata", name: "names-and-values-are-kept", check: func(ctx context.Context, p *probe) {
			metadata := map[string]string{
				"a": "1", "empty": "", "with-dash": "x", "with_underscore": "x", "with.dot": "x", "0": "digit",
				"visible": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "inner": "a b  c", "upper-value": "ABC", "number": "007", "json": `{"a":[1]}`,
			}
			key := p.key("k")
			obj := p.put(ctx, key, "v", storage.PutOptions{Metadata: metadata}).Object
			p.sameMetadata("what put returned", obj.Metadata, metadata)
			p.sameMetadata("what stat returned", p.stat(ctx, key).Metadata, metadata)
			_, got := p.get(ctx, key, storage.GetOptions{})
			p.sameMetadata("what get returned", got.Metadata, metadata)
		}},
		{group: "metadata", name: "four-kib-are-accepted", check: func(ctx context.Context, p *probe) {
			metadata := metadataOf(storage.MaxBackendMetadataBytes)
			key := p.key("k")
			p.put(ctx, key, "v", storage.PutOptions{Metadata: metadata})
			p.sameMetadata("the object", p.stat(ctx, key).Metadata, metadata)
		}},
		{group: "metadata", name: "over-four-kib-are-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{Metadata: metadataOf(storage.MaxBackendMetadataBytes + 1)})
			p.fails(err, storage.CodeInvalidArgument, "a put with 4097 bytes of metadata")
			p.absent(ctx, key)
		}},
		{group: "metadata", name: "a-hundred-small-entries-are-kept", check: func(ctx context.Context, p *probe) {
			metadata := make(map[string]string)
			for i := range 100 {
				metadata["n"+string(rune('0'+i/10))+string(rune('0'+i%10))] = "v"
			}
			key := p.key("k")
			p.put(ctx, key, "v", storage.PutOptions{Metadata: metadata})
			p.sameMetadata("the object", p.stat(ctx, key).Metadata, metadata)
		}},
		{group: "metadata", name: "malformed-entries-are-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for _, bad := range []map[string]string{
				{"": "v"},
				{"Upper": "v"},
				{"with space": "v"},
				{"-dash-first": "v"},
				{"umlaut-ü": "v"},
				{"a": " leading"},
				{"a": "trailing "},
				{"a": "line\nbreak"},
				{"a": "ü"},
				{"a": "\x7f"},
			} {
				_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{Metadata: bad})
				p.fails(err, storage.CodeInvalidArgument, "a put with metadata "+show(bad))
			}
			p.absent(ctx, key)
		}},
		{group: "metadata", name: "the-callers-map-is-not-kept", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			metadata := map[string]string{"a": "1"}
			p.put(ctx, key, "v", storage.PutOptions{Metadata: metadata})
			equal(p, "the number of entries in the caller's map", len(metadata), 1)
			metadata["a"] = "changed by the caller"
			p.sameMetadata("the object", p.stat(ctx, key).Metadata, map[string]string{"a": "1"})
		}},
		{group: "metadata", name: "empty-and-none-are-the-same", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.put(ctx, key, "v", storage.PutOptions{Metadata: map[string]string{"a": "1"}})
			p.put(ctx, key, "v", storage.PutOptions{Metadata: map[string]string{}})
			p.sameMetadata("the object", p.stat(ctx, key).Metadata, nil)
		}},
		{group: "metadata", name: "content-types-are-kept", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for _, ct := range []string{"text/plain", "Text/PLAIN; charset=UTF-8", "x", `multipart/mixed; boundary="a b"`, strings.Repeat("t", storage.MaxContentTypeBytes), ""} {
				p.put(ctx, key, "v", storage.PutOptions{ContentType: ct})
				equal(p, "the content type", p.stat(ctx, key).ContentType, ct)
			}
		}},
	}
}

// metadataOf returns size bytes of names and values, a reserved one among them.
func metadataOf(size int) map[string]string {
	metadata := map[string]string{"stowage-version": "0123456789abcdef", "m": ""}
	for name, value := range metadata {
		size -= len(name) + len(value)
	}
	metadata["m"] = strings.Repeat("v", size)
	return metadata
}
