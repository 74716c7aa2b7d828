package storagetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// watch opens a stream; it is closed when the case is over.
func (p *probe) watch(ctx context.Context, opts storage.WatchOptions) storage.EventStream {
	stream, err := p.store.Watch(ctx, opts)
	p.ok(err, "watch %q", opts.Prefix)
	p.atEnd(func() { _ = stream.Close() })
	if stream.Cursor() == "" {
		p.failf("expected a stream to have a cursor from the beginning; got none")
	}
	return stream
}

// change spells an event for comparison: "put ETAG" or "delete".
func change(e storage.Event) string { return strings.TrimSpace(e.Kind.String() + " " + e.ETag) }

func putOf(o storage.Object) string { return "put " + o.ETag }

// follow reads events until it has seen the last of the changes wanted for key
// and expects all of them in their order. Repetitions are allowed.
func (p *probe) follow(ctx context.Context, s storage.EventStream, prefix, key string, want ...string) []storage.Event {
	var events []storage.Event
	var seen []string
	for {
		e, err := s.Next(ctx)
		if err != nil {
			p.failf("expected the events %q of %q; after %q came: %v", want, key, seen, err)
		}
		p.checkEvent(e, prefix)
		events = append(events, e)
		if e.Key != key {
			continue
		}
		repeated := false
		for _, s := range seen {
			repeated = repeated || s == change(e)
		}
		if !repeated {
			seen = append(seen, change(e))
		}
		if change(e) == want[len(want)-1] {
			equalList(p, "the events of "+show(key), seen, want)
			return events
		}
	}
}

func (p *probe) checkEvent(e storage.Event, prefix string) {
	switch {
	case e.Cursor == "":
		p.failf("expected every event to carry a cursor; got %+v", e)
	case e.Kind == storage.EventGap:
		p.failf("expected a few events without a gap; got a gap")
	case e.Kind != storage.EventPut && e.Kind != storage.EventDelete:
		p.failf("expected a put, a delete or a gap; got kind %d", e.Kind)
	case e.Kind == storage.EventPut && e.ETag == "", e.Kind == storage.EventDelete && e.ETag != "":
		p.failf("expected the etag on puts and on nothing else; got %+v", e)
	case !strings.HasPrefix(e.Key, prefix):
		p.failf("expected only keys that begin with %q; got %q", prefix, e.Key)
	}
}

func watchRules() []rule {
	on := func(name string, check func(ctx context.Context, p *probe)) rule {
		return rule{group: "watch", name: name, needs: []capability{watching}, check: check}
	}
	return []rule{
		on("puts-and-deletes-are-reported", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			key := p.key("k")
			obj := p.set(ctx, key, "v")
			p.remove(ctx, key)
			p.follow(ctx, s, p.prefix, key, putOf(obj), "delete")
		}),
		on("events-of-a-key-keep-their-order", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			key := p.key("k")
			var want []string
			for range 20 {
				want = append(want, putOf(p.set(ctx, key, "same")))
			}
			p.follow(ctx, s, p.prefix, key, want...)
		}),
		on("only-the-prefix-is-reported", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix + "in/"})
			p.fill(ctx, "in", "out/x", "im/x", "ino", "In/x")
			obj := p.set(ctx, p.key("in/x"), "v")
			p.follow(ctx, s, p.prefix+"in/", p.key("in/x"), putOf(obj))
		}),
		on("what-was-before-is-not-reported", func(ctx context.Context, p *probe) {
			before := p.set(ctx, p.key("k"), "before")
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			after := p.set(ctx, p.key("k"), "after")
			for _, e := range p.follow(ctx, s, p.prefix, p.key("k"), putOf(after)) {
				if e.ETag == before.ETag {
					p.failf("expected only writes after Watch returned; got one from before")
				}
			}
		}),
		on("an-events-cursor-resumes-after-it", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			key := p.key("k")
			first := p.set(ctx, key, "1")
			second := p.set(ctx, key, "2")
			events := p.follow(ctx, s, p.prefix, key, putOf(first), putOf(second))
			p.ok(s.Close(), "close the stream")
			third := p.set(ctx, key, "3")

			var cursor string
			for _, e := range events {
				if e.ETag == first.ETag {
					cursor = e.Cursor
				}
			}
			resumed := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix, Cursor: cursor})
			fourth := p.set(ctx, key, "4")
			p.follow(ctx, resumed, p.prefix, key, putOf(second), putOf(third), putOf(fourth))
		}),
		on("the-streams-cursor-resumes-too", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			begin := s.Cursor()
			key := p.key("k")
			first := p.set(ctx, key, "1")
			p.follow(ctx, s, p.prefix, key, putOf(first))
			after := s.Cursor()
			p.ok(s.Close(), "close the stream")
			second := p.set(ctx, key, "2")
			p.follow(ctx, p.watch(ctx, storage.WatchOptions{Prefix: p.prefix, Cursor: begin}), p.prefix, key, putOf(first), putOf(second))
			p.follow(ctx, p.watch(ctx, storage.WatchOptions{Prefix: p.prefix, Cursor: after}), p.prefix, key, putOf(second))
		}),
		on("a-malformed-cursor-is-refused", func(ctx context.Context, p *probe) {
			s, err := p.store.Watch(ctx, storage.WatchOptions{Prefix: p.prefix, Cursor: "!! not a cursor !!"})
			if err == nil {
				defer s.Close()
				_, err = s.Next(ctx)
			}
			p.fails(err, storage.CodeInvalidArgument, "a watch from a malformed cursor")
		}),
		on("everybody-hears-every-write", func(ctx context.Context, p *probe) {
			key := p.key("k")
			streams := make([]storage.EventStream, 4)
			for i := range streams {
				streams[i] = p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			}
			p.together(p.opts.Concurrency, func(i int) { p.set(ctx, p.key(fmt.Sprint(i)), "v") })
			last := p.set(ctx, key, "last")
			p.together(len(streams), func(i int) {
				heard := make(map[string]bool)
				for _, e := range p.followAny(ctx, streams[i], p.prefix, key, putOf(last), p.opts.Concurrency) {
					heard[e.Key] = true
				}
				equal(p, "the number of keys that were reported", len(heard), p.opts.Concurrency+1)
			})
		}),
		on("batches-and-copies-are-reported", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			key, dup := p.key("k"), p.key("dup")
			res := p.batch(ctx, []storage.BatchOp{putOp(key, "1"), putOp(key, "2"), deleteOp(key), putOp(key, "3")})
			p.follow(ctx, s, p.prefix, key, putOf(res[0].Object), putOf(res[1].Object), "delete", putOf(res[3].Object))
			p.follow(ctx, s, p.prefix, dup, putOf(p.copyOf(ctx, key, dup, storage.CopyOptions{}).Object))
		}),
		on("close-ends-a-waiting-next", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			waiting := make(chan error, 1)
			go func() {
				_, err := s.Next(ctx)
				waiting <- err
			}()
			p.ok(s.Close(), "close the stream")
			p.fails(<-waiting, storage.CodeCanceled, "a Next whose stream was closed")
			p.ok(s.Close(), "the second close of the stream")
			if _, err := s.Next(ctx); err == nil {
				p.failf("expected a closed stream to give an error; got an event")
			}
		}),
		on("the-context-ends-next-and-the-stream", func(ctx context.Context, p *probe) {
			s := p.watch(ctx, storage.WatchOptions{Prefix: p.prefix})
			canceled, cancel := context.WithCancel(ctx)
			cancel()
			_, err := s.Next(canceled)
			p.fails(err, storage.CodeCanceled, "a Next whose context is done")

			streamCtx, end := context.WithCancel(ctx)
			ended := p.watch(streamCtx, storage.WatchOptions{Prefix: p.prefix})
			end()
			_, err = ended.Next(ctx)
			p.fails(err, storage.CodeCanceled, "a Next of a stream whose context is done")
		}),
	}
}

// followAny reads events until the change of key was seen and n others keys
// were too, in whatever order keys come.
func (p *probe) followAny(ctx context.Context, s storage.EventStream, prefix, key, want string, n int) []storage.Event {
	var events []storage.Event
	keys := make(map[string]bool)
	for found := false; !found || len(keys) <= n; {
		e, err := s.Next(ctx)
		if err != nil {
			p.failf("expected events of %d keys; after those of %d came: %v", n+1, len(keys), err)
		}
		p.checkEvent(e, prefix)
		events = append(events, e)
		keys[e.Key] = true
		found = found || e.Key == key && change(e) == want
	}
	return events
}
