package storagetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (p *probe) atomicBatch(ctx context.Context, ops ...storage.BatchOp) []storage.BatchResult {
	results, err := p.store.Batch(ctx, ops, storage.BatchOptions{Atomic: true})
	p.ok(err, "an atomic batch of %d operations", len(ops))
	equal(p, "the number of results", len(results), len(ops))
	return results
}

func atomicBatchRules() []rule {
	return []rule{
		{group: "batch", name: "an-atomic-batch-applies-everything", needs: []capability{atomicBatch}, check: func(ctx context.Context, p *probe) {
			a, b, c := p.key("a"), p.key("b"), p.key("c")
			p.set(ctx, c, "old")
			for i, res := range p.atomicBatch(ctx, putOp(a, "1"), putOp(b, "2"), getOp(a), deleteOp(c)) {
				p.ok(res.Err, "operation %d", i)
				if i == 2 {
					equal(p, "the value read inside the batch", string(res.Value), "1")
				}
			}
			p.holds(ctx, a, "1")
			p.holds(ctx, b, "2")
			p.absent(ctx, c)
		}},
		{group: "batch", name: "an-atomic-batch-that-fails-does-nothing", needs: []capability{atomicBatch, conditionalPut}, check: checkAtomicRefusal},
		{group: "batch", name: "atomic-batches-do-not-mix", needs: []capability{atomicBatch}, check: func(ctx context.Context, p *probe) {
			keys := []string{p.key("a"), p.key("b"), p.key("c")}
			for round := range 5 {
				p.together(p.opts.Concurrency, func(i int) {
					ops := make([]storage.BatchOp, len(keys))
					for j := range keys { // everybody begins with another key
						ops[j] = putOp(keys[(i+j)%len(keys)], fmt.Sprint(i))
					}
					for _, res := range p.atomicBatch(ctx, ops...) {
						p.ok(res.Err, "a put of an atomic batch")
					}
				})
				first, _ := p.get(ctx, keys[0], storage.GetOptions{})
				for _, key := range keys[1:] {
					got, _ := p.get(ctx, key, storage.GetOptions{})
					equal(p, fmt.Sprintf("the writer of %q in round %d", key, round), got, first)
				}
			}
		}},
	}
}

func checkAtomicRefusal(ctx context.Context, p *probe) {
	a, b, c := p.key("a"), p.key("b"), p.key("c")
	objA, objB := p.set(ctx, a, "old"), p.set(ctx, b, "old")
	refused := putOp(b, "new")
	refused.Put.If = storage.IfAbsent()
	res := p.atomicBatch(ctx, putOp(a, "new"), refused, deleteOp(a), putOp(c, "new"))
	p.refuses(res[1].Err, objB.ETag, "the operation whose condition does not hold")
	for _, i := range []int{0, 2, 3} {
		if !errors.Is(res[i].Err, storage.ErrAborted) {
			p.failf("expected operation %d of a batch that failed to be Aborted; got %v", i, res[i].Err)
		}
	}
	p.sameObject("the first object", p.stat(ctx, a), objA)
	p.sameObject("the second object", p.stat(ctx, b), objB)
	p.holds(ctx, a, "old")
	p.holds(ctx, b, "old")
	p.absent(ctx, c)
}
