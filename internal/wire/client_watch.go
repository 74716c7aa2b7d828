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
		err = callError(ctx.Err, err, "watch", "", false)
		cancel()
		return nil, err
	}
	return &clientEvents{
		stream: stream, cancel: cancel, caller: ctx.Err, cursor: first.GetCursor(),
		next: make(chan storage.Event), ended: make(chan struct{}), done: make(chan struct{}),
	}, nil
}

// clientEvents receives in a goroutine of its own while Next waits, so that
// Next can end before an event comes. At most one event is received ahead. The
// goroutine ends with the stream's context, Close or not.
type clientEvents struct {
	stream grpc.ServerStreamingClient[storagev1.WatchResponse]
	cancel context.CancelFunc
	start  sync.Once
	next   chan storage.Event
	ended  chan struct{} // closed when nothing more comes
	last   error         // why; set before ended is closed
	caller func() error  // not nil once the caller's context is done
	done   chan struct{} // closed by Close
	close  sync.Once
	loop   sync.WaitGroup
	err    error // of the last Next

	mu     sync.Mutex
	cursor string
}

func (e *clientEvents) receive() {
	defer close(e.ended)
	defer e.cancel()
	for {
		event, err := e.receiveOne()
		if err != nil {
			e.last = callError(e.caller, err, "watch", "", false)
			return
		}
		select {
		case e.next <- event:
		case <-e.stream.Context().Done():
			e.last = errorFromStatus(e.stream.Context().Err(), "watch", "", false)
			return
		}
	}
}

func (e *clientEvents) receiveOne() (storage.Event, error) {
	msg, err := e.stream.Recv()
	if err != nil {
		return storage.Event{}, err
	}
	kind := msg.GetKind()
	if kind < storagev1.WatchResponse_KIND_PUT || kind > storagev1.WatchResponse_KIND_GAP {
		return storage.Event{}, storage.Errorf(storage.CodeInternal, "the plugin sent an event of unknown kind %d", kind)
	}
	return storage.Event{Kind: storage.EventKind(kind), Key: msg.GetKey(), ETag: msg.GetEtag(), Cursor: msg.GetCursor()}, nil
}

func (e *clientEvents) Next(ctx context.Context) (storage.Event, error) {
	if e.err != nil {
		return storage.Event{}, e.err
	}
	e.start.Do(func() { e.loop.Go(e.receive) })
	select {
	case event := <-e.next:
		e.mu.Lock()
		e.cursor = event.Cursor
		e.mu.Unlock()
		return event, nil
	case <-e.ended:
		e.err = e.last
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
