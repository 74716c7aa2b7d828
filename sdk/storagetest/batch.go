package storagetest

import (
	"context"
	"fmt"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// batch applies ops and expects an answer for each; some may be errors.
func (p *probe) batch(ctx context.Context, ops []storage.BatchOp) []storage.BatchResult {
	results, err := p.store.Batch(ctx, ops, storage.BatchOptions{})
	p.ok(err, "a batch of %d operations", len(ops))
	equal(p, "the number of results", len(results), len(ops))
	return results
}

func putOp(key, value string) storage.BatchOp {
	return storage.BatchOp{Kind: storage.BatchPut, Key: key, Value: []byte(value)}
}

func getOp(key string) storage.BatchOp { return storage.BatchOp{Kind: storage.BatchGet, Key: key} }

func statOp(key string) storage.BatchOp { return storage.BatchOp{Kind: storage.BatchStat, Key: key} }

func deleteOp(key string) storage.BatchOp {
	return storage.BatchOp{Kind: storage.BatchDelete, Key: key}
}

func batchRules() []rule {
	return []rule{
		{group: "batch", name: "results-are-in-the-order-of-the-operations", check: checkBatchResults},
		{group: "batch", name: "later-operations-see-earlier-ones", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			res := p.batch(ctx, []storage.BatchOp{getOp(key), putOp(key, "one"), getOp(key), putOp(key, "two"), getOp(key), deleteOp(key), statOp(key), putOp(key, "three"), getOp(key)})
			p.fails(res[0].Err, storage.CodeNotFound, "the get before the put")
			for i, want := range map[int]string{2: "one", 4: "two", 8: "three"} {
				p.ok(res[i].Err, "operation %d", i)
				equal(p, fmt.Sprintf("the value of get %d", i), string(res[i].Value), want)
			}
			p.fails(res[6].Err, storage.CodeNotFound, "the stat after the delete")
			if res[1].Object.ETag == res[3].Object.ETag {
				p.failf("expected an etag of its own for each put of the batch; got %q twice", res[1].Object.ETag)
			}
			p.notClaimed("created by the second put", res[3].Created, storage.Yes)
			p.notClaimed("created by the put after the delete", res[7].Created, storage.No)
			p.holds(ctx, key, "three")
		}},
		{group: "batch", name: "an-operation-that-fails-stops-no-other", check: func(ctx context.Context, p *probe) {
			res := p.batch(ctx, []storage.BatchOp{putOp(p.key("a"), "1"), getOp(p.key("missing")), putOp(p.key("b"), "2"), statOp(p.key("missing")), deleteOp(p.key("missing")), getOp(p.key("a"))})
			for i, err := range []error{nil, storage.ErrNotFound, nil, storage.ErrNotFound, nil, nil} {
				if err == nil {
					p.ok(res[i].Err, "operation %d", i)
					continue
				}
				e := p.fails(res[i].Err, storage.CodeNotFound, fmt.Sprintf("operation %d", i))
				equal(p, "the key of the error", e.Key, p.key("missing"))
			}
			p.holds(ctx, p.key("a"), "1")
			p.holds(ctx, p.key("b"), "2")
		}},
		{group: "batch", name: "conditions-hold-or-refuse-one-by-one", needs: []capability{conditionalPut, conditionalDelete}, check: func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			objA, objB := p.set(ctx, a, "old"), p.set(ctx, b, "old")
			refused, replaced := putOp(a, "new"), putOp(b, "new")
			refused.Put.If, replaced.Put.If = storage.IfAbsent(), storage.IfETag(objB.ETag)
			kept := deleteOp(b)
			kept.Delete.If = storage.IfETag(objB.ETag)
			res := p.batch(ctx, []storage.BatchOp{refused, replaced, kept})
			p.refuses(res[0].Err, objA.ETag, "a put on the condition of absence")
			p.ok(res[1].Err, "a put on the condition of the current etag")
			p.refuses(res[2].Err, res[1].Object.ETag, "a delete on the condition of the etag before")
			p.holds(ctx, a, "old")
			p.holds(ctx, b, "new")
		}},
		{group: "batch", name: "put-options-count", needs: []capability{ttl}, check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			op := putOp(key, "v")
			op.Put.TTL = p.opts.TTL
			res := p.batch(ctx, []storage.BatchOp{op})
			p.ok(res[0].Err, "a put with a TTL")
			if res[0].Object.ExpiresAt.IsZero() {
				p.failf("expected an expiry; got none")
			}
			p.expire(ctx)
			p.absent(ctx, key)
			p.fails(p.batch(ctx, []storage.BatchOp{getOp(key)})[0].Err, storage.CodeNotFound, "get of an expired object in a batch")
		}},
		{group: "batch", name: "values-are-not-shared-with-the-caller", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			op := putOp(key, "value")
			p.ok(p.batch(ctx, []storage.BatchOp{op})[0].Err, "put")
			copy(op.Value, "XXXXX")
			p.holds(ctx, key, "value")
			res := p.batch(ctx, []storage.BatchOp{getOp(key)})
			p.ok(res[0].Err, "get")
			copy(res[0].Value, "XXXXX")
			p.holds(ctx, key, "value")
		}},
		{group: "batch", name: "an-empty-batch-has-no-results", check: func(ctx context.Context, p *probe) {
			equal(p, "the number of results", len(p.batch(ctx, nil)), 0)
		}},
		{group: "batch", name: "a-megabyte-goes-through", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			value := content{seed: 50, size: p.room(1 << 20)}
			res := p.batch(ctx, []storage.BatchOp{putOp(key, string(value.bytes())), getOp(key)})
			p.ok(res[0].Err, "put")
			p.ok(res[1].Err, "get")
			equal(p, "the CRC-32C of what was read", storage.Checksum(0, res[1].Value), value.crc32c())
			p.holdsContent(ctx, key, value)
		}},
		{group: "batch", name: "a-thousand-operations-go-through", needs: []capability{batches}, check: func(ctx context.Context, p *probe) {
			ops := make([]storage.BatchOp, storage.MaxBatchOps)
			for i := range ops {
				ops[i] = putOp(p.key(fmt.Sprint(i%10)), fmt.Sprint(i))
			}
			for i, res := range p.batch(ctx, ops) {
				p.ok(res.Err, "operation %d", i)
			}
			for i := range 10 {
				p.holds(ctx, p.key(fmt.Sprint(i)), fmt.Sprint(990+i))
			}
		}},
		{group: "batch", name: "an-oversized-batch-is-too-large", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			ops := make([]storage.BatchOp, storage.MaxBatchOps+1)
			for i := range ops {
				ops[i] = putOp(key, "v")
			}
			_, err := p.store.Batch(ctx, ops, storage.BatchOptions{})
			p.fails(err, storage.CodeTooLarge, "a batch of 1001 operations")
			half := make([]byte, storage.MaxBatchBytes/2+1)
			_, err = p.store.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchPut, Key: key, Value: half}, {Kind: storage.BatchPut, Key: key, Value: half}}, storage.BatchOptions{})
			p.fails(err, storage.CodeTooLarge, "a batch with over 4 MiB of values")
			p.absent(ctx, key)
		}},
		{group: "batch", name: "a-malformed-batch-does-nothing", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for what, bad := range map[string]storage.BatchOp{
				"an unknown kind":     {Kind: 99, Key: key},
				"no kind":             {Key: key},
				"an empty key":        getOp(""),
				"a negative TTL":      {Kind: storage.BatchPut, Key: key, Put: storage.PutOptions{TTL: -1}},
				"an absent to delete": {Kind: storage.BatchDelete, Key: key, Delete: storage.DeleteOptions{If: storage.IfAbsent()}},
			} {
				_, err := p.store.Batch(ctx, []storage.BatchOp{putOp(key, "v"), bad}, storage.BatchOptions{})
				p.fails(err, storage.CodeInvalidArgument, "a batch with "+what)
				p.absent(ctx, key)
			}
		}},
	}
}

func checkBatchResults(ctx context.Context, p *probe) {
	a, b, c := p.key("a"), p.key("b"), p.key("c")
	old := p.put(ctx, b, "old", storage.PutOptions{ContentType: "text/plain"}).Object
	put := putOp(a, "value of a")
	put.Put.ContentType, put.Put.Metadata = "text/a", map[string]string{"n": "1"}
	res := p.batch(ctx, []storage.BatchOp{put, getOp(b), statOp(b), deleteOp(b), deleteOp(c)})
	for i := range res {
		p.ok(res[i].Err, "operation %d", i)
	}
	p.sameObject("what the put of the batch returned", res[0].Object, p.stat(ctx, a))
	equal(p, "the content type", res[0].Object.ContentType, "text/a")
	p.sameMetadata("what the put of the batch returned", res[0].Object.Metadata, put.Put.Metadata)
	p.notClaimed("created", res[0].Created, storage.No)
	p.holds(ctx, a, "value of a")
	p.sameObject("what the get of the batch returned", res[1].Object, old)
	equal(p, "the value", string(res[1].Value), "old")
	p.sameObject("what the stat of the batch returned", res[2].Object, old)
	p.notClaimed("existed, of a stored key", res[3].Existed, storage.No)
	p.notClaimed("existed, of a missing key", res[4].Existed, storage.Yes)
	p.absent(ctx, b)
}
