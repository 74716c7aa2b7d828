package storagetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func putConditionRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "conditions", name: name, needs: []capability{conditionalPut}, check: check}
	}
	return []rule{
		on("if-absent-creates", func(ctx context.Context, p *probe) {
			key := p.key("k")
			res := p.put(ctx, key, "v", storage.PutOptions{If: storage.IfAbsent()})
			p.notClaimed("created", res.Created, storage.No)
			p.holds(ctx, key, "v")
			p.remove(ctx, key)
			p.put(ctx, key, "again", storage.PutOptions{If: storage.IfAbsent()})
			p.holds(ctx, key, "again")
		}),
		on("if-absent-refuses-an-existing-key", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "old")
			p.putRefused(ctx, key, storage.IfAbsent(), old.ETag)
			p.holds(ctx, key, "old")
			p.sameObject("the object", p.stat(ctx, key), old)
		}),
		on("if-exists-replaces", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "old")
			res := p.put(ctx, key, "new", storage.PutOptions{If: storage.IfExists()})
			p.notClaimed("created", res.Created, storage.Yes)
			p.holds(ctx, key, "new")
		}),
		on("if-exists-refuses-a-missing-key", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.putRefused(ctx, key, storage.IfExists(), "")
			p.absent(ctx, key)
		}),
		on("if-etag-replaces-that-version", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "old")
			now := p.put(ctx, key, "new", storage.PutOptions{If: storage.IfETag(old.ETag)}).Object
			p.holds(ctx, key, "new")
			p.put(ctx, key, "newer", storage.PutOptions{If: storage.IfETag(now.ETag)})
			p.holds(ctx, key, "newer")
		}),
		on("if-etag-refuses-another-version", func(ctx context.Context, p *probe) {
			key := p.key("k")
			first := p.set(ctx, key, "same")
			now := p.set(ctx, key, "same")
			p.putRefused(ctx, key, storage.IfETag(first.ETag), now.ETag)
			p.putRefused(ctx, key, storage.IfETag("no-etag-of-anybody"), now.ETag)
			p.sameObject("the object", p.stat(ctx, key), now)
		}),
		on("if-etag-refuses-a-missing-key", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "v")
			p.remove(ctx, key)
			p.putRefused(ctx, key, storage.IfETag(old.ETag), "")
			p.absent(ctx, key)
		}),
		on("an-etag-of-another-key-does-not-match", func(ctx context.Context, p *probe) {
			a, b := p.key("a"), p.key("b")
			p.set(ctx, a, "same")
			objB := p.set(ctx, b, "same")
			objA := p.set(ctx, a, "same")
			if objA.ETag != objB.ETag { // etags need to differ only within a key
				p.putRefused(ctx, a, storage.IfETag(objB.ETag), objA.ETag)
			}
		}),
		on("an-empty-etag-is-refused", func(ctx context.Context, p *probe) {
			key := p.key("k")
			for range 2 {
				_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{If: storage.IfETag("")})
				p.fails(err, storage.CodeInvalidArgument, "a put on the condition of an empty etag")
				p.set(ctx, key, "old")
			}
			p.holds(ctx, key, "old")
		}),
		on("a-refused-put-changes-nothing", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.put(ctx, key, "old", storage.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}}).Object
			_, err := p.store.Put(ctx, key, content{seed: 40, size: p.room(300_000)}.reader(),
				storage.PutOptions{If: storage.IfAbsent(), ContentType: "x", Metadata: map[string]string{"b": "2"}})
			p.refuses(err, old.ETag, "a put on the condition of absence")
			p.holds(ctx, key, "old")
			p.sameObject("the object", p.stat(ctx, key), old)
		}),
		on("conditions-are-judged-at-the-commit", checkConditionAtCommit),
		{group: "conditions", name: "an-expired-object-counts-as-absent", needs: []capability{conditionalPut, ttl}, check: func(ctx context.Context, p *probe) {
			created, etag, exists := p.key("absent"), p.key("etag"), p.key("exists")
			var old storage.Object
			for _, key := range []string{created, etag, exists} {
				old = p.put(ctx, key, "old", storage.PutOptions{TTL: p.opts.TTL}).Object
			}
			p.expire(ctx)
			res := p.put(ctx, created, "new", storage.PutOptions{If: storage.IfAbsent()})
			p.notClaimed("created over an expired object", res.Created, storage.No)
			p.putRefused(ctx, exists, storage.IfExists(), "")
			p.putRefused(ctx, exists, storage.IfETag(old.ETag), "")
			p.putRefused(ctx, etag, storage.IfETag(old.ETag), "")
		}},
	}
}

func (p *probe) putRefused(ctx context.Context, key string, cond storage.Condition, current string) {
	_, err := p.store.Put(ctx, key, strings.NewReader("must not land"), storage.PutOptions{If: cond})
	p.refuses(err, current, "put of "+show(key)+" on a condition that does not hold")
}

func (p *probe) deleteRefused(ctx context.Context, key string, cond storage.Condition, current string) {
	_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: cond})
	p.refuses(err, current, "delete of "+show(key)+" on a condition that does not hold")
}

// checkConditionAtCommit begins a put on the condition of absence and lets
// another put of the key finish before its body does. A backend that makes the
// other wait is let go on after a while: then the first must win.
func checkConditionAtCommit(ctx context.Context, p *probe) {
	key := p.key("k")
	other := make(chan error, 1)
	otherFirst := false
	body := &hookedReader{Reader: strings.NewReader("slow"), hook: func() {
		go func() {
			_, err := p.store.Put(ctx, key, strings.NewReader("quick"), storage.PutOptions{})
			other <- err
		}()
		timer := time.NewTimer(2 * time.Second)
		defer timer.Stop()
		select {
		case err := <-other:
			otherFirst = true
			other <- err
		case <-timer.C:
		case <-ctx.Done():
		}
	}}
	_, err := p.store.Put(ctx, key, body, storage.PutOptions{If: storage.IfAbsent()})
	if !body.begun {
		p.failf("expected put to read its body; it did not")
	}
	p.ok(<-other, "the put without a condition")
	if !otherFirst {
		p.ok(err, "the put that came first")
	} else if !errors.Is(err, storage.ErrFailedPrecondition) {
		p.failf("expected a put on the condition of absence to fail with FailedPrecondition, for the key was created while its body was read; got %v", err)
	}
	p.holds(ctx, key, "quick")
}

// hookedReader calls hook before it is first read.
type hookedReader struct {
	*strings.Reader
	hook  func()
	begun bool
}

func (h *hookedReader) Read(p []byte) (int, error) {
	if !h.begun {
		h.begun = true
		h.hook()
	}
	return h.Reader.Read(p)
}

// WriteTo keeps io.Copy from going round Read.
func (h *hookedReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{h})
}

func deleteConditionRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "conditions", name: name, needs: []capability{conditionalDelete}, check: check}
	}
	return []rule{
		on("delete-if-exists", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "v")
			d, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: storage.IfExists()})
			p.ok(err, "a delete on the condition of existence")
			p.notClaimed("existed", d.Existed, storage.No)
			p.absent(ctx, key)
		}),
		on("delete-if-etag", func(ctx context.Context, p *probe) {
			key := p.key("k")
			obj := p.set(ctx, key, "v")
			_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: storage.IfETag(obj.ETag)})
			p.ok(err, "a delete on the condition of the current etag")
			p.absent(ctx, key)
		}),
		on("delete-if-etag-refuses-another-version", func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.set(ctx, key, "same")
			now := p.set(ctx, key, "same")
			p.deleteRefused(ctx, key, storage.IfETag(old.ETag), now.ETag)
			p.holds(ctx, key, "same")
			p.sameObject("the object", p.stat(ctx, key), now)
		}),
		on("delete-on-a-condition-refuses-a-missing-key", func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.deleteRefused(ctx, key, storage.IfExists(), "")
			old := p.set(ctx, key, "v")
			p.remove(ctx, key)
			p.deleteRefused(ctx, key, storage.IfExists(), "")
			p.deleteRefused(ctx, key, storage.IfETag(old.ETag), "")
		}),
		{group: "conditions", name: "delete-refuses-malformed-conditions", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			p.set(ctx, key, "v")
			for _, cond := range []storage.Condition{storage.IfAbsent(), storage.IfETag(""), {Kind: 99}, {ETag: "x"}} {
				_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: cond})
				p.fails(err, storage.CodeInvalidArgument, "a delete on condition "+show(cond))
			}
			p.holds(ctx, key, "v")
		}},
		{group: "conditions", name: "delete-counts-expired-as-absent", needs: []capability{conditionalDelete, ttl}, check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.put(ctx, key, "v", storage.PutOptions{TTL: p.opts.TTL}).Object
			p.expire(ctx)
			p.deleteRefused(ctx, key, storage.IfExists(), "")
			p.deleteRefused(ctx, key, storage.IfETag(old.ETag), "")
		}},
	}
}
