package storagetest

import (
	"context"
	"fmt"
	"math"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// rangeRule reads ranges of the value "0123456789" and expects the bytes.
func rangeRule(name string, reads ...rangeRead) rule {
	return rule{group: "ranges", name: name, check: func(ctx context.Context, p *probe) {
		key := p.key("digits")
		obj := p.set(ctx, key, "0123456789")
		for _, read := range reads {
			r := p.open(ctx, key, storage.GetOptions{Range: read.r})
			what := fmt.Sprintf("range %+v of 10 bytes", read.r)
			p.sameObject("the object of "+what, r.Object, obj)
			equal(p, "the offset of "+what, r.Offset, read.offset)
			equal(p, "the length of "+what, r.Length, int64(len(read.want)))
			got, err := r.Bytes()
			p.ok(err, "reading %s", what)
			equal(p, what, string(got), read.want)
		}
	}}
}

type rangeRead struct {
	r      storage.Range
	offset int64
	want   string
}

func rangeRules() []rule {
	return []rule{
		rangeRule("a-span-gives-its-bytes",
			rangeRead{storage.RangeOf(0, 1), 0, "0"},
			rangeRead{storage.RangeOf(3, 4), 3, "3456"},
			rangeRead{storage.RangeOf(9, 1), 9, "9"},
			rangeRead{storage.RangeOf(0, 10), 0, "0123456789"}),
		rangeRule("an-open-span-goes-to-the-end",
			rangeRead{storage.RangeFrom(0), 0, "0123456789"},
			rangeRead{storage.RangeFrom(4), 4, "456789"},
			rangeRead{storage.RangeFrom(9), 9, "9"}),
		rangeRule("a-span-over-the-end-is-cut",
			rangeRead{storage.RangeOf(0, 11), 0, "0123456789"},
			rangeRead{storage.RangeOf(8, 100), 8, "89"},
			rangeRead{storage.RangeOf(1, math.MaxInt64), 1, "123456789"}),
		rangeRule("an-offset-at-the-end-is-empty",
			rangeRead{storage.RangeFrom(10), 10, ""},
			rangeRead{storage.RangeOf(10, 5), 10, ""}),
		rangeRule("a-length-of-zero-is-empty",
			rangeRead{storage.RangeOf(0, 0), 0, ""},
			rangeRead{storage.RangeOf(5, 0), 5, ""},
			rangeRead{storage.RangeLast(0), 10, ""}),
		rangeRule("a-suffix-gives-the-last-bytes",
			rangeRead{storage.RangeLast(1), 9, "9"},
			rangeRead{storage.RangeLast(4), 6, "6789"},
			rangeRead{storage.RangeLast(10), 0, "0123456789"}),
		rangeRule("a-suffix-over-the-size-is-the-whole",
			rangeRead{storage.RangeLast(11), 0, "0123456789"},
			rangeRead{storage.RangeLast(math.MaxInt64), 0, "0123456789"}),
		{group: "ranges", name: "an-offset-beyond-the-end-is-out-of-range", check: func(ctx context.Context, p *probe) {
			key := p.key("digits")
			p.set(ctx, key, "0123456789")
			for _, rg := range []storage.Range{storage.RangeFrom(11), storage.RangeOf(11, 1), storage.RangeOf(11, 0), storage.RangeFrom(math.MaxInt64)} {
				r, err := p.store.Get(ctx, key, storage.GetOptions{Range: rg})
				if err == nil {
					_ = r.Close()
				}
				p.fails(err, storage.CodeOutOfRange, fmt.Sprintf("range %+v of 10 bytes", rg))
			}
		}},
		{group: "ranges", name: "ranges-of-an-empty-value", check: func(ctx context.Context, p *probe) {
			key := p.key("empty")
			p.set(ctx, key, "")
			for _, rg := range []storage.Range{storage.RangeFrom(0), storage.RangeOf(0, 5), storage.RangeLast(5)} {
				value, _ := p.get(ctx, key, storage.GetOptions{Range: rg})
				equal(p, "the value", value, "")
			}
			r, err := p.store.Get(ctx, key, storage.GetOptions{Range: storage.RangeFrom(1)})
			if err == nil {
				_ = r.Close()
			}
			p.fails(err, storage.CodeOutOfRange, "offset 1 of an empty value")
		}},
		{group: "ranges", name: "a-malformed-range-is-refused", check: func(ctx context.Context, p *probe) {
			key := p.key("digits")
			p.set(ctx, key, "0123456789")
			for _, rg := range []storage.Range{storage.RangeOf(-1, 1), storage.RangeOf(0, -2), storage.RangeLast(-1), {Offset: 1}, {Kind: 99}} {
				r, err := p.store.Get(ctx, key, storage.GetOptions{Range: rg})
				if err == nil {
					_ = r.Close()
				}
				p.fails(err, storage.CodeInvalidArgument, fmt.Sprintf("range %+v", rg))
			}
		}},
		{group: "ranges", name: "a-range-of-a-missing-key-is-not-found", check: func(ctx context.Context, p *probe) {
			r, err := p.store.Get(ctx, p.key("missing"), storage.GetOptions{Range: storage.RangeFrom(1)})
			if err == nil {
				_ = r.Close()
			}
			p.fails(err, storage.CodeNotFound, "a range of a missing key")
		}},
		{group: "ranges", name: "ranges-across-block-boundaries", check: checkBlockRanges},
	}
}

// checkBlockRanges reads ranges around the sizes at which backends cut values
// into blocks, chunks and messages.
func checkBlockRanges(ctx context.Context, p *probe) {
	value := content{seed: 3, size: p.room(2<<20 + 17)}
	key := p.key("blocks")
	p.putContent(ctx, key, value, storage.PutOptions{})
	for _, edge := range []int64{4 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20} {
		for _, rg := range []storage.Range{
			storage.RangeOf(edge-1, 2), storage.RangeOf(edge, 1), storage.RangeOf(edge-100, 64<<10),
			storage.RangeFrom(edge + 1), storage.RangeLast(edge), storage.RangeOf(1, edge),
		} {
			offset, length, err := rg.Resolve(value.size)
			if err != nil {
				continue // the backend takes no value of this size
			}
			r, err := p.store.Get(ctx, key, storage.GetOptions{Range: rg})
			p.ok(err, "get range %+v of %d bytes", rg, value.size)
			err = value.compare(r, offset, length)
			_ = r.Close()
			p.ok(err, "reading range %+v of %d bytes", rg, value.size)
		}
	}
}
