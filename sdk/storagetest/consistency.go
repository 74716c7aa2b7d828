package storagetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func consistencyRules() []rule {
	levels := []struct {
		level storage.Consistency
		need  capability
	}{
		{storage.ConsistencyEventual, eventual},
		{storage.ConsistencyReadYourWrites, readYourWrites},
		{storage.ConsistencyCausal, causal},
		{storage.ConsistencyStrong, strong},
	}
	rules := make([]rule, 0, 2*len(levels)+6)
	for _, l := range levels {
		rules = append(rules,
			rule{group: "consistency", name: l.level.String() + "-works-when-declared", needs: []capability{l.need}, check: func(ctx context.Context, p *probe) {
				p.checkLevel(ctx, l.level)
			}},
			rule{group: "consistency", name: l.level.String() + "-is-refused-when-not-declared", undeclared: l.need, check: func(ctx context.Context, p *probe) {
				p.levelRefused(ctx, l.level, storage.CodeUnimplemented)
			}})
	}
	return append(rules,
		rule{group: "consistency", name: "an-unknown-level-is-refused", check: func(ctx context.Context, p *probe) {
			p.levelRefused(ctx, storage.ConsistencyStrong+1, storage.CodeInvalidArgument)
			p.levelRefused(ctx, 200, storage.CodeInvalidArgument)
		}},
		rule{group: "consistency", name: "a-read-sees-what-was-acknowledged-before", check: func(ctx context.Context, p *probe) {
			p.checkRegister(ctx, storage.ConsistencyDefault)
		}},
		rule{group: "consistency", name: "a-strong-read-sees-what-was-acknowledged-before", needs: []capability{strong}, check: func(ctx context.Context, p *probe) {
			p.checkRegister(ctx, storage.ConsistencyStrong)
		}},
		rule{group: "consistency", name: "a-session-reads-its-writes", needs: []capability{readYourWrites}, check: func(ctx context.Context, p *probe) {
			p.together(p.opts.Concurrency, func(i int) {
				session := new(storage.Session)
				p.checkSession(ctx, p.key(fmt.Sprint(i)), storage.ConsistencyReadYourWrites, func() *storage.Session { return session })
			})
		}},
		rule{group: "consistency", name: "a-session-travels-as-its-token", needs: []capability{causal}, check: func(ctx context.Context, p *probe) {
			session := new(storage.Session)
			p.checkSession(ctx, p.key("k"), storage.ConsistencyCausal, func() *storage.Session {
				next := new(storage.Session)
				p.ok(next.Merge(session.Token()), "merging the session's token")
				session = next
				return session
			})
		}},
	)
}

// checkLevel expects every operation to work at the level. Eventual reads may
// be stale, so what they find is not looked at.
func (p *probe) checkLevel(ctx context.Context, level storage.Consistency) {
	key := p.key("k")
	session := new(storage.Session)
	obj := p.put(ctx, key, "value", storage.PutOptions{Consistency: level, Session: session}).Object
	fresh := level != storage.ConsistencyEventual
	r, err := p.store.Get(ctx, key, storage.GetOptions{Consistency: level, Session: session})
	if fresh || err == nil {
		p.ok(err, "get at %v", level)
		value, err := r.Bytes()
		p.ok(err, "reading at %v", level)
		equal(p, "the value", string(value), "value")
	}
	got, err := p.store.Stat(ctx, key, storage.StatOptions{Consistency: level, Session: session})
	if fresh || err == nil {
		p.ok(err, "stat at %v", level)
		p.sameObject("what stat returned", got, obj)
	}
	page, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Consistency: level, Session: session})
	p.ok(err, "list at %v", level)
	if fresh {
		equalList(p, "the listing", listing{objects: page.Objects}.keys(), []string{key})
	}
	results, err := p.store.Batch(ctx, []storage.BatchOp{statOp(key)}, storage.BatchOptions{Consistency: level, Session: session})
	p.ok(err, "a batch at %v", level)
	if fresh {
		p.ok(results[0].Err, "stat in a batch at %v", level)
	}
	_, err = p.store.Delete(ctx, key, storage.DeleteOptions{Consistency: level, Session: session})
	p.ok(err, "delete at %v", level)
	if fresh {
		_, err = p.store.Stat(ctx, key, storage.StatOptions{Consistency: level, Session: session})
		p.fails(err, storage.CodeNotFound, "stat after the delete")
	}
}

func (p *probe) levelRefused(ctx context.Context, level storage.Consistency, code storage.Code) {
	key := p.key("k")
	p.set(ctx, key, "old")
	at := fmt.Sprintf(" at level %d", level)
	r, err := p.store.Get(ctx, key, storage.GetOptions{Consistency: level})
	if err == nil {
		_ = r.Close()
	}
	p.fails(err, code, "get"+at)
	_, err = p.store.Put(ctx, key, strings.NewReader("new"), storage.PutOptions{Consistency: level})
	p.fails(err, code, "put"+at)
	_, err = p.store.Stat(ctx, key, storage.StatOptions{Consistency: level})
	p.fails(err, code, "stat"+at)
	_, err = p.store.Delete(ctx, key, storage.DeleteOptions{Consistency: level})
	p.fails(err, code, "delete"+at)
	_, err = p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Consistency: level})
	p.fails(err, code, "list"+at)
	_, err = p.store.Batch(ctx, []storage.BatchOp{getOp(key)}, storage.BatchOptions{Consistency: level})
	p.fails(err, code, "a batch"+at)
	p.holds(ctx, key, "old")
}

// checkRegister has one writer count up on a key while others read it. A read
// must give at least what was acknowledged before it began, at most what was
// begun before it ended, and never go back.
func (p *probe) checkRegister(ctx context.Context, level storage.Consistency) {
	const writes = 100
	key := p.key("register")
	p.put(ctx, key, "0", storage.PutOptions{Consistency: level})
	var begun, acknowledged atomic.Int64
	var stopped atomic.Bool
	p.together(p.opts.Concurrency, func(i int) {
		if i == 0 {
			defer stopped.Store(true)
			for n := int64(1); n <= writes; n++ {
				begun.Store(n)
				p.put(ctx, key, fmt.Sprint(n), storage.PutOptions{Consistency: level})
				acknowledged.Store(n)
			}
			return
		}
		last := int64(0)
		done := false
		for reads := 0; !done && reads < 10*writes; reads++ {
			done = stopped.Load()
			least := max(last, acknowledged.Load())
			value, _ := p.get(ctx, key, storage.GetOptions{Consistency: level})
			most := begun.Load()
			n, err := strconv.ParseInt(value, 10, 64)
			p.ok(err, "reading the register %q", value)
			if n < least || n > most {
				p.failf("expected a read to give a version from %d, acknowledged before it began, to %d, begun before it ended; got %d", least, most, n)
			}
			last = n
		}
	})
}

// checkSession writes and reads back, each operation with the session it asks
// for.
func (p *probe) checkSession(ctx context.Context, key string, level storage.Consistency, session func() *storage.Session) {
	for i := range 10 {
		want := fmt.Sprint(i)
		obj := p.put(ctx, key, want, storage.PutOptions{Consistency: level, Session: session()}).Object
		value, _ := p.get(ctx, key, storage.GetOptions{Consistency: level, Session: session()})
		equal(p, "the value the session reads", value, want)
		stat, err := p.store.Stat(ctx, key, storage.StatOptions{Consistency: level, Session: session()})
		p.ok(err, "stat")
		equal(p, "the etag the session sees", stat.ETag, obj.ETag)
	}
	_, err := p.store.Delete(ctx, key, storage.DeleteOptions{Consistency: level, Session: session()})
	p.ok(err, "delete")
	_, err = p.store.Stat(ctx, key, storage.StatOptions{Consistency: level, Session: session()})
	p.fails(err, storage.CodeNotFound, "stat of what the session deleted")
}
