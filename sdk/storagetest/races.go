package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func raceRules() []rule {
	return []rule{
		{group: "races", name: "one-of-many-if-absent-puts-wins", needs: []capability{conditionalPut}, check: func(ctx context.Context, p *probe) {
			for round := range 5 {
				checkOneCreates(ctx, p, p.key(fmt.Sprint(round)))
			}
		}},
		{group: "races", name: "etag-increments-lose-nothing", needs: []capability{conditionalPut}, check: checkIncrements},
		{group: "races", name: "one-of-many-conditional-deletes-wins", needs: []capability{conditionalDelete}, check: func(ctx context.Context, p *probe) {
			for round := range 5 {
				key := p.key(fmt.Sprint(round))
				obj := p.set(ctx, key, "v")
				var won atomic.Int64
				p.together(p.opts.Concurrency, func(int) {
					_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: storage.IfETag(obj.ETag)})
					if err == nil {
						won.Add(1)
						return
					}
					p.refuses(err, "", "a delete that lost")
				})
				equal(p, "the number of deletes that won", won.Load(), 1)
				p.absent(ctx, key)
			}
		}},
		{group: "races", name: "concurrent-puts-leave-one-of-them", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			size := p.room(20_000)
			etags := make([]string, p.opts.Concurrency)
			p.together(p.opts.Concurrency, func(i int) {
				opts := storage.PutOptions{Metadata: map[string]string{"writer": fmt.Sprint(i)}}
				etags[i] = p.putContent(ctx, key, content{seed: uint64(i), size: size}, opts).ETag
			})
			obj := p.stat(ctx, key)
			winner, err := strconv.Atoi(obj.Metadata["writer"])
			p.ok(err, "reading the metadata %q", obj.Metadata)
			equal(p, "the etag of the winner", obj.ETag, etags[winner])
			p.holdsContent(ctx, key, content{seed: uint64(winner), size: size})
			seen := make(map[string]bool)
			for _, etag := range etags {
				if seen[etag] {
					p.failf("expected every put to give an etag of its own; got %q twice", etag)
				}
				seen[etag] = true
			}
		}},
	}
}

func checkOneCreates(ctx context.Context, p *probe, key string) {
	var won atomic.Int64
	p.together(p.opts.Concurrency, func(i int) {
		res, err := p.store.Put(ctx, key, strings.NewReader(fmt.Sprint(i)), storage.PutOptions{If: storage.IfAbsent()})
		if err == nil {
			won.Add(1)
			p.notClaimed("created by the winner", res.Created, storage.No)
			return
		}
		if e := p.fails(err, storage.CodeFailedPrecondition, "a put that lost"); e.Current == "" {
			p.failf("expected the error of a put that lost to carry the winner's etag; got none")
		}
	})
	equal(p, "the number of puts that won", won.Load(), 1)
}

// checkIncrements has everybody count on one key by reading it and writing on
// the condition of the etag that was read.
func checkIncrements(ctx context.Context, p *probe) {
	key := p.key("counter")
	p.set(ctx, key, "0")
	const each = 4
	p.together(p.opts.Concurrency, func(int) {
		for range each {
			p.increment(ctx, key)
		}
	})
	p.holds(ctx, key, fmt.Sprint(each*p.opts.Concurrency))
}

func (p *probe) increment(ctx context.Context, key string) {
	for {
		value, obj := p.get(ctx, key, storage.GetOptions{})
		n, err := strconv.Atoi(value)
		p.ok(err, "reading the counter %q", value)
		_, err = p.store.Put(ctx, key, strings.NewReader(fmt.Sprint(n+1)), storage.PutOptions{If: storage.IfETag(obj.ETag)})
		if err == nil {
			return
		}
		if !errors.Is(err, storage.ErrFailedPrecondition) {
			p.failf("expected an increment to succeed or to fail with FailedPrecondition; got %v", err)
		}
	}
}
