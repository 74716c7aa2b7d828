package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// closeRules close the backend and leave it closed: they come last.
func closeRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe), more ...capability) rule {
		return rule{group: "close", name: name, needs: append([]capability{closing}, more...), check: check}
	}
	closed := func(ctx context.Context, p *probe) { p.ok(p.store.Close(ctx), "close") }
	unavailable := func(name string, call func(ctx context.Context, p *probe, key string) error, more ...capability) rule {
		return on(name, func(ctx context.Context, p *probe) {
			closed(ctx, p)
			p.fails(call(ctx, p, p.prefix+"k"), storage.CodeUnavailable, "an operation after close")
		}, more...)
	}
	return []rule{
		on("closing-under-load-ends-every-operation", checkCloseUnderLoad),
		on("close-is-idempotent", func(ctx context.Context, p *probe) {
			for range 3 {
				closed(ctx, p)
			}
			p.together(4, func(int) { closed(ctx, p) })
		}),
		unavailable("get-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			r, err := p.store.Get(ctx, key, storage.GetOptions{})
			if err == nil {
				_ = r.Close()
			}
			return err
		}),
		unavailable("stat-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			_, err := p.store.Stat(ctx, key, storage.StatOptions{})
			return err
		}),
		unavailable("put-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{})
			return err
		}),
		unavailable("delete-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			_, err := p.store.Delete(ctx, key, storage.DeleteOptions{})
			return err
		}),
		unavailable("list-after-close-is-unavailable", func(ctx context.Context, p *probe, _ string) error {
			_, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix})
			return err
		}),
		unavailable("copy-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			_, err := p.store.Copy(ctx, key, key+"2", storage.CopyOptions{})
			return err
		}),
		unavailable("batch-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			results, err := p.store.Batch(ctx, []storage.BatchOp{statOp(key)}, storage.BatchOptions{})
			if err == nil && len(results) == 1 {
				err = results[0].Err
			}
			return err
		}),
		unavailable("commit-after-close-is-unavailable", func(ctx context.Context, p *probe, key string) error {
			_, err := p.store.Commit(ctx, storage.Transaction{Ops: []storage.BatchOp{putOp(key, "v")}})
			return err
		}, transactions),
		unavailable("watch-after-close-is-unavailable", func(ctx context.Context, p *probe, _ string) error {
			s, err := p.store.Watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			if err == nil {
				_, err = s.Next(ctx)
				_ = s.Close()
			}
			return err
		}, watching),
		unavailable("health-after-close-is-unavailable", func(ctx context.Context, p *probe, _ string) error {
			return p.store.CheckHealth(ctx)
		}, healthCheck),
	}
}

// checkCloseUnderLoad closes the backend while others read, list, delete and
// wait for events. Nothing may hang, and what fails is Unavailable. It stores
// nothing that could not be deleted afterwards.
func checkCloseUnderLoad(ctx context.Context, p *probe) {
	failures := make([]error, p.opts.Concurrency)
	var first, all sync.WaitGroup
	for i := range failures {
		first.Add(1)
		all.Go(func() {
			for n := 0; failures[i] == nil; n++ {
				failures[i] = p.anyOperation(ctx, fmt.Sprintf("%s%d", p.prefix, i), 2+(i+n)%3)
				if n == 0 {
					first.Done()
				}
			}
		})
	}
	var heard error
	if p.caps.Watch {
		stream := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
		all.Go(func() {
			if _, err := stream.Next(ctx); err == nil {
				heard = errors.New("a stream gave an event when the backend was closed")
			}
		})
	}
	first.Wait()
	err := p.store.Close(ctx)
	all.Wait()
	p.ok(err, "close under load")
	p.ok(heard, "the end of the stream")
	for _, err := range failures {
		if !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, storage.ErrCanceled) {
			p.failf("expected operations during the closing to succeed or to fail as Unavailable; got %v", err)
		}
	}
}
