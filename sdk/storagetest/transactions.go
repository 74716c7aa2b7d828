package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func transactionRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "transactions", name: name, needs: []capability{transactions}, check: check}
	}
	return []rule{
		on("checks-that-hold-commit", func(ctx context.Context, p *probe) {
			a, b, c := p.key("a"), p.key("b"), p.key("c")
			obj := p.set(ctx, a, "old")
			res, err := p.store.Commit(ctx, storage.Transaction{
				Checks: []storage.Check{{Key: a, ETag: obj.ETag}, {Key: b}},
				Ops:    []storage.BatchOp{putOp(b, "new"), getOp(b), getOp(a), putOp(c, "new"), deleteOp(a)},
			})
			p.ok(err, "commit")
			equal(p, "the number of results", len(res), 5)
			for i := range res {
				p.ok(res[i].Err, "operation %d", i)
			}
			equal(p, "the value written before", string(res[1].Value), "new")
			equal(p, "the value that was checked", string(res[2].Value), "old")
			p.sameObject("what the put returned", res[0].Object, p.stat(ctx, b))
			p.absent(ctx, a)
			p.holds(ctx, c, "new")
		}),
		on("a-stale-check-aborts", func(ctx context.Context, p *probe) {
			key := p.key("k")
			stale := p.set(ctx, key, "same")
			p.set(ctx, key, "same")
			p.commitAborts(ctx, storage.Check{Key: key, ETag: stale.ETag})
			p.remove(ctx, key)
			p.commitAborts(ctx, storage.Check{Key: key, ETag: stale.ETag})
		}),
		on("a-check-of-absence-aborts-when-present", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "v")
			p.commitAborts(ctx, storage.Check{Key: key})
		}),
		on("one-stale-check-among-many-aborts", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			objA := p.set(ctx, a, "v")
			objB := p.set(ctx, b, "v")
			p.set(ctx, b, "v")
			p.commitAborts(ctx, storage.Check{Key: a, ETag: objA.ETag}, storage.Check{Key: b, ETag: objB.ETag}, storage.Check{Key: p.key("c")})
		}),
		on("checks-alone-commit-nothing", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "v")
			res, err := p.store.Commit(ctx, storage.Transaction{Checks: []storage.Check{{Key: key, ETag: obj.ETag}}})
			p.ok(err, "commit of a check")
			equal(p, "the number of results", len(res), 0)
			p.sameObject("the object", p.stat(ctx, key), obj)
		}),
		on("a-condition-that-fails-does-nothing", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			obj := p.set(ctx, a, "old")
			refused := putOp(a, "new")
			refused.Put.If = storage.IfAbsent()
			if !p.caps.ConditionalPut {
				_, err := p.store.Commit(ctx, storage.Transaction{Ops: []storage.BatchOp{refused}})
				p.fails(err, storage.CodeUnimplemented, "a condition in a transaction")
				return
			}
			res, err := p.store.Commit(ctx, storage.Transaction{Ops: []storage.BatchOp{putOp(b, "new"), refused}})
			p.ok(err, "a transaction that is answered operation by operation")
			p.fails(res[0].Err, storage.CodeAborted, "the operation beside the one that failed")
			p.refuses(res[1].Err, obj.ETag, "the operation whose condition does not hold")
			p.absent(ctx, b)
			p.holds(ctx, a, "old")
		}),
		on("a-malformed-or-oversized-one-is-refused", func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Commit(ctx, storage.Transaction{Checks: []storage.Check{{}}, Ops: []storage.BatchOp{putOp(key, "v")}})
			p.fails(err, storage.CodeInvalidArgument, "a check of an empty key")
			_, err = p.store.Commit(ctx, storage.Transaction{Checks: []storage.Check{{Key: key, ETag: `"`}}})
			p.fails(err, storage.CodeInvalidArgument, "a check of a malformed etag")
			checks := make([]storage.Check, storage.MaxBatchOps)
			for i := range checks {
				checks[i].Key = key
			}
			_, err = p.store.Commit(ctx, storage.Transaction{Checks: checks, Ops: []storage.BatchOp{putOp(key, "v")}})
			p.fails(err, storage.CodeTooLarge, "1001 checks and operations")
			p.absent(ctx, key)
		}),
		on("transfers-keep-the-sum", checkTransfers),
	}
}

// commitAborts commits a put under the checks and expects nothing to happen.
func (p *probe) commitAborts(ctx context.Context, checks ...storage.Check) {
	written := p.key("written")
	_, err := p.store.Commit(ctx, storage.Transaction{Checks: checks, Ops: []storage.BatchOp{putOp(written, "must not land")}})
	p.fails(err, storage.CodeAborted, "a commit with a check that does not hold")
	p.absent(ctx, written)
}

// checkTransfers moves amounts between accounts concurrently: no write skew
// and no half of a transfer may be seen at the end.
func checkTransfers(ctx context.Context, p *probe) {
	const accounts, each, start = 4, 3, 1000
	keys := make([]string, accounts)
	for i := range keys {
		keys[i] = p.key(fmt.Sprint("account-", i))
		p.set(ctx, keys[i], fmt.Sprint(start))
	}
	p.together(p.opts.Concurrency, func(i int) {
		from, to := keys[i%accounts], keys[(i+1)%accounts]
		for range each {
			p.transfer(ctx, from, to, i+1)
		}
	})
	sum, want := 0, 0
	for i := range keys {
		sum += p.balance(ctx, keys[i])
		want += start
	}
	equal(p, "the sum of all accounts", sum, want)
	moved := start
	for i := range p.opts.Concurrency {
		if i%accounts == 0 {
			moved -= each * (i + 1)
		}
		if (i+1)%accounts == 0 {
			moved += each * (i + 1)
		}
	}
	equal(p, "the balance of the first account", p.balance(ctx, keys[0]), moved)
}

func (p *probe) balance(ctx context.Context, key string) int {
	value, _ := p.get(ctx, key, storage.GetOptions{})
	n, err := strconv.Atoi(value)
	p.ok(err, "reading the account %q", value)
	return n
}

// transfer begins again until it is committed: with many at once each loses
// often.
func (p *probe) transfer(ctx context.Context, from, to string, amount int) {
	read := func(ctx context.Context, key string) (int, storage.Check) {
		value, obj := p.get(ctx, key, storage.GetOptions{})
		n, err := strconv.Atoi(value)
		p.ok(err, "reading the account %q", value)
		return n, storage.Check{Key: key, ETag: obj.ETag}
	}
	for {
		_, err := storage.Transact(ctx, p.store, func(ctx context.Context) (storage.Transaction, error) {
			a, checkA := read(ctx, from)
			b, checkB := read(ctx, to)
			return storage.Transaction{
				Checks: []storage.Check{checkA, checkB},
				Ops:    []storage.BatchOp{putOp(from, fmt.Sprint(a-amount)), putOp(to, fmt.Sprint(b+amount))},
			}, nil
		})
		if err == nil {
			return
		}
		if !errors.Is(err, storage.ErrAborted) {
			p.failf("expected a transfer to be committed or Aborted; got %v", err)
		}
	}
}
