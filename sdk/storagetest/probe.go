package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// probe is what a case works with: the store, keys of its own, and operations
// that end the case when they do not do what they must.
type probe struct {
	store  storage.Store
	caps   storage.Capabilities
	opts   Options
	prefix string
	suite  *suite

	mu    sync.Mutex
	keys  map[string]struct{}
	later []func()
}

func newProbe(s *suite, prefix string) *probe {
	return &probe{
		store: s.store, caps: s.store.Capabilities(), opts: s.opts, prefix: prefix, suite: s,
		keys: make(map[string]struct{}),
	}
}

// failf ends the case: "expected this; got that".
func (p *probe) failf(format string, args ...any) {
	panic(failure(fmt.Sprintf(format, args...)))
}

// ok ends the case unless err is nil.
func (p *probe) ok(err error, what string, args ...any) {
	if err != nil {
		p.failf("expected %s to succeed; got: %v", fmt.Sprintf(what, args...), err)
	}
}

// equal ends the case unless got is want.
func equal[T comparable](p *probe, what string, got, want T) {
	if got != want {
		p.failf("expected %s to be %s; got %s", what, show(want), show(got))
	}
}

// equalList ends the case unless got is want, element by element.
func equalList(p *probe, what string, got, want []string) {
	if !slices.Equal(got, want) {
		p.failf("expected %s to be\n%s\ngot\n%s", what, show(want), show(got))
	}
}

func show(v any) string {
	s := fmt.Sprintf("%v", v)
	switch v.(type) {
	case string, []string:
		s = fmt.Sprintf("%q", v)
	}
	if len(s) > 2000 {
		s = s[:2000] + "…"
	}
	return s
}

// key returns a key of this case; it is deleted when the case is over.
func (p *probe) key(name string) string { return p.claim(p.prefix + name) }

// claim has key deleted when the case is over.
func (p *probe) claim(key string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[key] = struct{}{}
	return key
}

// atEnd has f called when the case is over.
func (p *probe) atEnd(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.later = append(p.later, f)
}

// cleanUp deletes the keys of the case and returns those it could not delete.
func (p *probe) cleanUp(ctx context.Context) []string {
	p.mu.Lock()
	later, keys := p.later, slices.Sorted(maps.Keys(p.keys))
	p.later, p.keys = nil, make(map[string]struct{})
	p.mu.Unlock()
	for _, f := range slices.Backward(later) {
		f()
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	var left []string
	for _, key := range keys {
		if _, err := p.store.Delete(ctx, key, storage.DeleteOptions{}); err != nil && !errors.Is(err, storage.ErrInvalidArgument) {
			left = append(left, key)
		}
	}
	return left
}

// together calls f n times at once, waits for all calls and ends the case with
// the first that failed.
func (p *probe) together(n int, f func(i int)) {
	reasons := make([]string, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			reasons[i] = p.attempt(func() { f(i) })
		})
	}
	close(start)
	all.Wait()
	for _, reason := range reasons {
		if reason != "" {
			panic(failure(reason))
		}
	}
}

// room returns size, or the most the backend takes if that is less.
func (p *probe) room(size int64) int64 {
	if limit := p.caps.MaxValueSize; limit > 0 {
		return min(size, limit)
	}
	return size
}

// expire waits until an object stored just now with the TTL of the options
// must be gone.
func (p *probe) expire(ctx context.Context) {
	p.ok(p.opts.Sleep(ctx, p.opts.TTL+p.opts.TTL/10+time.Millisecond), "waiting for the expiry")
}

// reopen replaces the store by one opened over the same data.
func (p *probe) reopen(ctx context.Context) {
	b, err := p.suite.opts.Reopen(ctx, p.suite.backend)
	p.ok(err, "reopening the backend")
	p.suite.backend, p.suite.store = b, storage.Complete(b)
	p.store = p.suite.store
}

// set stores value under key and nothing else.
func (p *probe) set(ctx context.Context, key, value string) storage.Object {
	return p.put(ctx, key, value, storage.PutOptions{}).Object
}

func (p *probe) put(ctx context.Context, key, value string, opts storage.PutOptions) storage.PutResult {
	res, err := p.store.Put(ctx, key, strings.NewReader(value), opts)
	p.ok(err, "put %q", key)
	return res
}

func (p *probe) putContent(ctx context.Context, key string, c content, opts storage.PutOptions) storage.Object {
	res, err := p.store.Put(ctx, key, c.reader(), opts)
	p.ok(err, "put %q of %d bytes", key, c.size)
	return res.Object
}

// open opens key for reading; the reader is closed when the case is over.
func (p *probe) open(ctx context.Context, key string, opts storage.GetOptions) *storage.Reader {
	r, err := p.store.Get(ctx, key, opts)
	p.ok(err, "get %q", key)
	p.atEnd(func() { _ = r.Close() })
	return r
}

// get reads key and returns its value and its object.
func (p *probe) get(ctx context.Context, key string, opts storage.GetOptions) (string, storage.Object) {
	r, err := p.store.Get(ctx, key, opts)
	p.ok(err, "get %q", key)
	value, err := r.Bytes()
	p.ok(err, "reading %q", key)
	return string(value), r.Object
}

func (p *probe) stat(ctx context.Context, key string) storage.Object {
	o, err := p.store.Stat(ctx, key, storage.StatOptions{})
	p.ok(err, "stat %q", key)
	return o
}

func (p *probe) remove(ctx context.Context, key string) storage.Deleted {
	d, err := p.store.Delete(ctx, key, storage.DeleteOptions{})
	p.ok(err, "delete %q", key)
	return d
}

// failingBody gives the first bytes of a value and then an error.
func failingBody(given string) io.Reader {
	return io.MultiReader(strings.NewReader(given), errorReader{})
}

var errBody = errors.New("the body broke off")

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errBody }
