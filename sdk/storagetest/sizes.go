package storagetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func sizeRules() []rule {
	return []rule{
		{group: "sizes", name: "binary-content-is-kept", check: func(ctx context.Context, p *probe) {
			var all strings.Builder
			for i := range 256 {
				all.WriteByte(byte(i))
			}
			for i, value := range []string{all.String(), "\x00", "\x00\x00\x00", "\xff\xfe", "\r\n", "a\x00b", "\xef\xbb\xbf", strings.Repeat("\x00", 10_000)} {
				key := p.key(fmt.Sprint(i))
				p.set(ctx, key, value)
				p.holds(ctx, key, value)
			}
		}},
		{group: "sizes", name: "around-powers-of-two", check: func(ctx context.Context, p *probe) {
			var sizes []int64
			for shift := 0; shift <= 15; shift++ {
				sizes = append(sizes, 1<<shift-1, 1<<shift, 1<<shift+1)
			}
			checkSizes(ctx, p, sizes...)
		}},
		{group: "sizes", name: "around-64-kib", check: func(ctx context.Context, p *probe) {
			checkSizes(ctx, p, 64<<10-1, 64<<10, 64<<10+1, 128<<10-1, 128<<10, 128<<10+1)
		}},
		{group: "sizes", name: "around-1-mib", check: func(ctx context.Context, p *probe) {
			checkSizes(ctx, p, 1<<20-1, 1<<20, 1<<20+1)
		}},
		{group: "sizes", name: "around-4-mib", check: func(ctx context.Context, p *probe) {
			checkSizes(ctx, p, 4<<20-1, 4<<20, 4<<20+1)
		}},
		{group: "sizes", name: "a-large-value-streams", check: func(ctx context.Context, p *probe) {
			value := content{seed: 20, size: p.room(p.opts.MaxValueBytes)}
			key := p.key("large")
			for _, hint := range []int64{0, value.size} {
				obj := p.putContent(ctx, key, value, storage.PutOptions{SizeHint: hint})
				equal(p, "the size", obj.Size, value.size)
				equal(p, "the CRC-32C", obj.CRC32C, value.crc32c())
				p.holdsContent(ctx, key, value)
			}
		}},
		{group: "sizes", name: "a-value-may-shrink-and-grow", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for i, size := range []int64{p.room(1 << 20), 0, 100, p.room(300_000), 1} {
				value := content{seed: uint64(30 + i), size: size}
				p.putContent(ctx, key, value, storage.PutOptions{})
				p.holdsContent(ctx, key, value)
			}
		}},
	}
}

func checkSizes(ctx context.Context, p *probe, sizes ...int64) {
	key := p.key("k")
	for i, size := range sizes {
		if size != p.room(size) || size > p.opts.MaxValueBytes {
			continue
		}
		value := content{seed: uint64(i), size: size}
		obj := p.putContent(ctx, key, value, storage.PutOptions{SizeHint: size * int64(i%2)})
		equal(p, "the size", obj.Size, size)
		equal(p, fmt.Sprintf("the CRC-32C of %d bytes", size), obj.CRC32C, value.crc32c())
		p.holdsContent(ctx, key, value)
	}
}
