package storagetest

import (
	"context"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// undeclaredRules are what a backend answers to operations it does not
// declare: Unimplemented, and nothing happens.
func undeclaredRules() []rule {
	without := func(c capability, name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "undeclared", name: name, undeclared: c, check: check}
	}
	return []rule{
		without(conditionalPut, "a-conditional-put-is-unimplemented", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "old")
			for _, cond := range []storage.Condition{storage.IfAbsent(), storage.IfExists(), storage.IfETag(obj.ETag)} {
				_, err := p.store.Put(ctx, key, strings.NewReader("new"), storage.PutOptions{If: cond})
				p.fails(err, storage.CodeUnimplemented, "a conditional put")
				_, err = p.store.Copy(ctx, key, p.key("dst"), storage.CopyOptions{If: cond})
				p.fails(err, storage.CodeUnimplemented, "a conditional copy")
				op := putOp(key, "new")
				op.Put.If = cond
				_, err = p.store.Batch(ctx, []storage.BatchOp{op}, storage.BatchOptions{})
				p.fails(err, storage.CodeUnimplemented, "a conditional put in a batch")
			}
			p.holds(ctx, key, "old")
			p.absent(ctx, p.key("dst"))
		}),
		without(conditionalDelete, "a-conditional-delete-is-unimplemented", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "old")
			for _, cond := range []storage.Condition{storage.IfExists(), storage.IfETag(obj.ETag)} {
				_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: cond})
				p.fails(err, storage.CodeUnimplemented, "a conditional delete")
				op := deleteOp(key)
				op.Delete.If = cond
				_, err = p.store.Batch(ctx, []storage.BatchOp{op}, storage.BatchOptions{})
				p.fails(err, storage.CodeUnimplemented, "a conditional delete in a batch")
			}
			p.holds(ctx, key, "old")
		}),
		without(ttl, "an-expiry-is-unimplemented", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "old")
			_, err := p.store.Put(ctx, key, strings.NewReader("new"), storage.PutOptions{TTL: time.Hour})
			p.fails(err, storage.CodeUnimplemented, "a put with a TTL")
			op := putOp(key, "new")
			op.Put.TTL = time.Hour
			_, err = p.store.Batch(ctx, []storage.BatchOp{op}, storage.BatchOptions{})
			p.fails(err, storage.CodeUnimplemented, "a put with a TTL in a batch")
			p.holds(ctx, key, "old")
		}),
		without(atomicBatch, "an-atomic-batch-is-unimplemented", func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Batch(ctx, []storage.BatchOp{putOp(key, "v")}, storage.BatchOptions{Atomic: true})
			p.fails(err, storage.CodeUnimplemented, "an atomic batch")
			p.absent(ctx, key)
		}),
		without(watching, "a-watch-is-unimplemented", func(ctx context.Context, p *probe) {
			stream, err := p.store.Watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			if err == nil {
				_ = stream.Close()
			}
			p.fails(err, storage.CodeUnimplemented, "a watch")
		}),
		without(transactions, "a-transaction-is-unimplemented", func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Commit(ctx, storage.Transaction{Ops: []storage.BatchOp{putOp(key, "v")}})
			p.fails(err, storage.CodeUnimplemented, "a transaction")
			p.absent(ctx, key)
		}),
	}
}
