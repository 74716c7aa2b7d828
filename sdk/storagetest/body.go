package storagetest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing/iotest"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func bodyRules() []rule {
	return []rule{
		{group: "body", name: "a-broken-body-leaves-the-old-value", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			old := p.put(ctx, key, "old", storage.PutOptions{ContentType: "text/plain"}).Object
			for _, given := range []string{"", "new", string(content{seed: 10, size: p.room(300_000) - 1}.bytes())} {
				_, err := p.store.Put(ctx, key, failingBody(given), storage.PutOptions{SizeHint: int64(len(given))})
				if err == nil {
					p.failf("expected a put whose body fails after %d bytes to fail; it succeeded", len(given))
				}
				p.holds(ctx, key, "old")
				p.sameObject("the object", p.stat(ctx, key), old)
			}
		}},
		{group: "body", name: "a-broken-body-creates-nothing", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Put(ctx, key, failingBody("some bytes"), storage.PutOptions{})
			if err == nil {
				p.failf("expected a put whose body fails to fail; it succeeded")
			}
			p.absent(ctx, key)
			equalList(p, "the listing", p.list(ctx, storage.ListOptions{Prefix: p.prefix}).keys(), []string{})
		}},
		{group: "body", name: "a-body-may-come-in-any-pieces", check: func(ctx context.Context, p *probe) {
			value := content{seed: 11, size: p.room(5000)}
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"one byte at a time":        iotest.OneByteReader,
				"half of what is asked":     iotest.HalfReader,
				"the end with the data":     iotest.DataErrReader,
				"empty reads between":       func(r io.Reader) io.Reader { return &stutter{r: r} },
				"a reader and nothing else": func(r io.Reader) io.Reader { return struct{ io.Reader }{r} },
			} {
				key := p.key(name)
				_, err := p.store.Put(ctx, key, wrap(value.reader()), storage.PutOptions{})
				p.ok(err, "put of a body that gives %s", name)
				r := p.open(ctx, key, storage.GetOptions{})
				p.ok(value.compare(r, 0, value.size), "reading what was given as %s", name)
			}
		}},
		{group: "body", name: "a-wrong-size-hint-changes-nothing", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			for _, hint := range []int64{0, 1, 5, 6, 1000, p.room(1 << 20)} {
				p.set(ctx, key, "before")
				obj := p.put(ctx, key, "value", storage.PutOptions{SizeHint: hint}).Object
				equal(p, "the size", obj.Size, 5)
				p.holds(ctx, key, "value")
			}
		}},
		{group: "body", name: "the-body-is-not-closed", check: func(ctx context.Context, p *probe) {
			body := &watchedBody{Reader: strings.NewReader("value")}
			_, err := p.store.Put(ctx, p.key("k"), body, storage.PutOptions{})
			p.ok(err, "put")
			equal(p, "closed by the backend", body.closed.Load(), false)
		}},
		{group: "body", name: "the-body-is-not-read-after-put-returned", check: func(ctx context.Context, p *probe) {
			for _, size := range []int64{10, p.room(1 << 20)} {
				body := &watchedBody{Reader: content{seed: 12, size: size}.reader()}
				_, err := p.store.Put(ctx, p.key("k"), body, storage.PutOptions{})
				body.returned.Store(true)
				p.ok(err, "put")
				p.holdsContent(ctx, p.key("k"), content{seed: 12, size: size})
				equal(p, "read after put returned", body.late.Load(), false)
			}
		}},
		{group: "body", name: "the-bytes-are-taken-when-read", check: func(ctx context.Context, p *probe) {
			buf := []byte("value")
			key := p.key("k")
			_, err := p.store.Put(ctx, key, bytes.NewReader(buf), storage.PutOptions{SizeHint: 5})
			p.ok(err, "put")
			copy(buf, "XXXXX")
			p.holds(ctx, key, "value")
		}},
	}
}

// holdsContent ends the case unless key holds the value.
func (p *probe) holdsContent(ctx context.Context, key string, c content) {
	r, err := p.store.Get(ctx, key, storage.GetOptions{})
	p.ok(err, "get %q", key)
	err = c.compare(r, 0, c.size)
	_ = r.Close()
	p.ok(err, "reading %q", key)
}

// watchedBody notes what is done to it that must not be.
type watchedBody struct {
	io.Reader
	returned, late, closed atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.returned.Load() {
		b.late.Store(true)
	}
	return b.Reader.Read(p)
}

func (b *watchedBody) Close() error {
	b.closed.Store(true)
	return nil
}

// stutter gives nothing at every second read.
type stutter struct {
	r    io.Reader
	rest bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.rest = !s.rest; s.rest {
		return 0, nil
	}
	return s.r.Read(p[:min(len(p), 100)])
}
