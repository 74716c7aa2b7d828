package registry

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fake is a backend that knows how many operations run on it, and remembers
// whether one ran after it was closed.
type fake struct {
	number    int
	running   atomic.Int64
	closed    atomic.Bool
	usedAfter atomic.Bool
	block     chan struct{} // if not nil, Stat waits for it
	events    chan storage.Event
	cursors   chan string // gets the cursor of every Watch
}

func newFake(number int) *fake {
	return &fake{number: number, events: make(chan storage.Event), cursors: make(chan string, 8)}
}

func (f *fake) enter() func() {
	f.running.Add(1)
	if f.closed.Load() {
		f.usedAfter.Store(true)
	}
	return func() {
		if f.closed.Load() {
			f.usedAfter.Store(true)
		}
		f.running.Add(-1)
	}
}

type body struct {
	io.Reader
	leave func()
}

func (b body) Close() error {
	b.leave()
	return nil
}

func (f *fake) Get(_ context.Context, key string, _ storage.GetOptions) (*storage.Reader, error) {
	leave := f.enter()
	value := []byte(strconv.Itoa(f.number))
	obj := storage.Object{Key: key, Size: int64(len(value)), ETag: "e", CRC32C: storage.Checksum(0, value)}
	if key == "missing" {
		leave()
		return nil, storage.ErrNotFound
	}
	return storage.NewReader(obj, 0, obj.Size, body{bytes.NewReader(value), leave}), nil
}

func (f *fake) Put(_ context.Context, key string, r io.Reader, _ storage.PutOptions) (storage.PutResult, error) {
	defer f.enter()()
	_, err := io.Copy(io.Discard, r)
	return storage.PutResult{Object: storage.Object{Key: key, ETag: "e"}}, err
}

func (f *fake) Stat(ctx context.Context, key string, _ storage.StatOptions) (storage.Object, error) {
	defer f.enter()()
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return storage.Object{}, ctx.Err()
		}
	}
	return storage.Object{Key: key, ETag: "e", Size: int64(f.number)}, nil
}

func (f *fake) Delete(context.Context, string, storage.DeleteOptions) (storage.Deleted, error) {
	defer f.enter()()
	return storage.Deleted{}, nil
}

func (f *fake) List(context.Context, storage.ListOptions) (storage.Page, error) {
	defer f.enter()()
	return storage.Page{}, nil
}

func (f *fake) Capabilities() storage.Capabilities {
	return storage.Capabilities{Watch: true, MaxValueSize: int64(f.number)}
}

func (f *fake) Close(context.Context) error {
	f.closed.Store(true)
	if f.running.Load() != 0 {
		f.usedAfter.Store(true)
	}
	return nil
}

func (f *fake) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	f.cursors <- opts.Cursor
	return &fakeEvents{fake: f, leave: f.enter(), watch: ctx, cursor: opts.Cursor + "/" + strconv.Itoa(f.number), done: make(chan struct{})}, nil
}

type fakeEvents struct {
	fake   *fake
	leave  func()
	watch  context.Context
	cursor string
	done   chan struct{}
}

func (e *fakeEvents) Next(ctx context.Context) (storage.Event, error) {
	select {
	case ev := <-e.fake.events:
		e.cursor = ev.Cursor
		return ev, nil
	case <-e.done:
		return storage.Event{}, storage.ErrCanceled
	case <-ctx.Done():
		return storage.Event{}, ctx.Err()
	case <-e.watch.Done():
		return storage.Event{}, e.watch.Err()
	}
}

func (e *fakeEvents) Cursor() string { return e.cursor }

func (e *fakeEvents) Close() error {
	close(e.done) // a second Close would panic: the registry must close once
	e.leave()
	return nil
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
