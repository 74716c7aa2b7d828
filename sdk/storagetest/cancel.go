package storagetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func cancelRules() []rule {
	return []rule{
		{group: "cancel", name: "a-canceled-context-stops-every-operation", check: func(ctx context.Context, p *probe) {
			done, cancel := context.WithCancel(ctx)
			cancel()
			p.stopped(ctx, done, storage.CodeCanceled, context.Canceled)
		}},
		{group: "cancel", name: "a-deadline-that-passed-stops-every-operation", check: func(ctx context.Context, p *probe) {
			done, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
			defer cancel()
			p.stopped(ctx, done, storage.CodeDeadlineExceeded, context.DeadlineExceeded)
		}},
		{group: "cancel", name: "a-put-canceled-midway-leaves-the-old-value", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.put(ctx, key, "old", storage.PutOptions{ContentType: "text/plain"}).Object
			for _, size := range []int64{100, p.room(300_000)} {
				p.putCanceled(ctx, key, size)
				p.holds(ctx, key, "old")
				p.sameObject("the object", p.stat(ctx, key), old)
			}
		}},
		{group: "cancel", name: "a-put-canceled-midway-creates-nothing", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.putCanceled(ctx, key, p.room(300_000))
			p.absent(ctx, key)
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{})
		}},
		{group: "cancel", name: "a-canceled-put-never-lands-later", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for range 10 {
				p.putCanceled(ctx, key, p.room(100_000))
				p.set(ctx, key, "acknowledged")
				p.holds(ctx, key, "acknowledged")
			}
		}},
		{group: "cancel", name: "a-read-canceled-midway-ends", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			value := content{seed: 70, size: p.room(2 << 20)}
			p.putContent(ctx, key, value, storage.PutOptions{})
			readCtx, cancel := context.WithCancel(ctx)
			r := p.open(readCtx, key, storage.GetOptions{})
			const begun = 1000
			p.ok(value.compare(io.LimitReader(r, begun), 0, min(begun, value.size)), "reading the first bytes")
			cancel()
			err := value.compare(r, min(begun, value.size), max(0, value.size-begun))
			if err != nil && !errors.Is(err, storage.ErrCanceled) {
				p.failf("expected the rest of the value or Canceled; got %v", err)
			}
		}},
	}
}

// stopped expects every operation with the context done to fail with the code
// and to change nothing.
func (p *probe) stopped(ctx, done context.Context, code storage.Code, target error) {
	key, other := p.key("k"), p.key("other")
	obj := p.set(ctx, key, "old")
	check := func(err error, op string) {
		p.fails(err, code, op)
		if !errors.Is(err, target) {
			p.failf("expected errors.Is to find %q in the error of %s; it does not: %v", target, op, err)
		}
	}
	r, err := p.store.Get(done, key, storage.GetOptions{})
	if err == nil {
		_ = r.Close()
	}
	check(err, "get")
	_, err = p.store.Stat(done, key, storage.StatOptions{})
	check(err, "stat")
	_, err = p.store.List(done, storage.ListOptions{Prefix: p.prefix})
	check(err, "list")
	_, err = p.store.Put(done, key, strings.NewReader("new"), storage.PutOptions{})
	check(err, "put")
	_, err = p.store.Put(done, other, strings.NewReader("new"), storage.PutOptions{})
	check(err, "put of a new key")
	_, err = p.store.Delete(done, key, storage.DeleteOptions{})
	check(err, "delete")
	_, err = p.store.Copy(done, key, other, storage.CopyOptions{})
	check(err, "copy")

	p.holds(ctx, key, "old")
	p.sameObject("the object", p.stat(ctx, key), obj)
	p.absent(ctx, other)
}

// putCanceled cancels a put when half of its body was read and lets the body
// go on to its end. The put must fail and leave the body alone.
func (p *probe) putCanceled(ctx context.Context, key string, size int64) {
	canceled, cancel := context.WithCancel(ctx)
	defer cancel()
	value := content{seed: 71, size: size}
	rest := &hookedReader{Reader: strings.NewReader(string(value.bytes()[size/2:])), hook: cancel}
	body := &watchedBody{Reader: io.MultiReader(io.LimitReader(value.reader(), size/2), struct{ io.Reader }{rest})}
	_, err := p.store.Put(canceled, key, body, storage.PutOptions{})
	body.returned.Store(true)
	p.fails(err, storage.CodeCanceled, "a put that was canceled before its body ended")
	p.roundTrip(ctx, key+".probe")
	equal(p, "read after put returned", body.late.Load(), false)
}

// roundTrip is a round trip to the backend: what it does in the meantime shows.
func (p *probe) roundTrip(ctx context.Context, key string) {
	_, err := p.store.Stat(ctx, key, storage.StatOptions{})
	p.fails(err, storage.CodeNotFound, "stat of a missing key")
}
