package wire

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

func (s *clientStore) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := s.storage.Watch(ctx, &storagev1.WatchRequest{Backend: s.id, Prefix: opts.Prefix, Cursor: opts.Cursor})
	var first *storagev1.WatchResponse
	if err == nil {
		first, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, errorFromStatus(err, "watch", "", false)
	}
	return &clientEvents{stream: stream, cancel: cancel, cursor: first.GetCursor(), next: make(chan received), done: make(chan struct{})}, nil
}

// clientEvents receives in a goroutine of its own while Next waits, so that
// Next can end before an event comes. At most one event is received ahead.
type clientEvents struct {
	stream grpc.ServerStreamingClient[storagev1.WatchResponse]
	cancel context.CancelFunc
	start  sync.Once
	next   chan received
	done   chan struct{} // closed by Close
	close  sync.Once
	loop   sync.WaitGroup
	err    error // of the last Next

	mu     sync.Mutex
	cursor string
}

type received struct {
	event storage.Event
	err   error
}

func (e *clientEvents) receive() {
	for {
		msg, err := e.stream.Recv()
		r := received{err: errorFromStatus(err, "watch", "", false)}
		if err == nil {
			r.event = storage.Event{Kind: storage.EventKind(msg.GetKind()), Key: msg.GetKey(), ETag: msg.GetEtag(), Cursor: msg.GetCursor()} //nolint:gosec // checked below
			if msg.GetKind() < storagev1.WatchResponse_KIND_PUT || msg.GetKind() > storagev1.WatchResponse_KIND_GAP {
				r = received{err: storage.Errorf(storage.CodeInternal, "the plugin sent an event of unknown kind %d", msg.GetKind())}
			}
		}
		select {
		case e.next <- r:
		case <-e.done:
			return
		}
		if r.err != nil {
			return
		}
	}
}

func (e *clientEvents) Next(ctx context.Context) (storage.Event, error) {
	if e.err != nil {
		return storage.Event{}, e.err
	}
	e.start.Do(func() { e.loop.Go(e.receive) })
	select {
	case r := <-e.next:
		if r.err != nil {
			e.err = r.err
			return storage.Event{}, e.err
		}
		e.mu.Lock()
		e.cursor = r.event.Cursor
		e.mu.Unlock()
		return r.event, nil
	case <-e.done:
		e.err = storage.Annotate(storage.Errorf(storage.CodeCanceled, "the stream was closed"), "watch", "")
	case <-ctx.Done():
		e.err = storage.Annotate(ctx.Err(), "watch", "")
	}
	return storage.Event{}, e.err
}

func (e *clientEvents) Cursor() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cursor
}

func (e *clientEvents) Close() error {
	e.start.Do(func() {}) // a Next that comes later starts nothing
	e.close.Do(func() {
		close(e.done)
		e.cancel()
	})
	e.loop.Wait()
	return nil
}
