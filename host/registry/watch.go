package registry

import (
	"context"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Watch opens a stream that outlives a swap: when its generation is retired it
// returns the lease and goes on, from its cursor, on the next one. A successor
// that does not know the cursor reports a gap, as the contract says.
func (h *handle) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	s := &stream{closed: make(chan struct{})}
	s.open = func(cursor string) (*span, error) {
		opts := opts
		if cursor != "" {
			opts.Cursor = cursor
		}
		return h.openSpan(ctx, opts, s.closed)
	}
	first, err := s.open("")
	if err != nil {
		return nil, storage.Annotate(err, "watch", "")
	}
	s.current = first
	return s, nil
}

// span is the part of a watch that one generation serves.
type span struct {
	storage.EventStream
	generation *Generation
	ended      chan struct{} // closed when the stream is closed and the lease returned
}

func (h *handle) openSpan(ctx context.Context, opts storage.WatchOptions, closed <-chan struct{}) (*span, error) {
	lease, err := h.registry.Acquire(ctx, h.name)
	if err != nil {
		return nil, err
	}
	events, err := lease.Store().Watch(ctx, opts)
	if err != nil {
		lease.Release()
		return nil, err
	}
	sp := &span{EventStream: events, generation: lease.Generation(), ended: make(chan struct{})}
	go func() {
		defer close(sp.ended)
		defer lease.Release()
		select {
		case <-closed:
		case <-ctx.Done():
		case <-sp.generation.retired:
		}
		_ = events.Close() // there is nobody to tell
	}()
	return sp, nil
}

func (sp *span) isRetired() bool {
	select {
	case <-sp.generation.retired:
		return true
	default:
		return false
	}
}

// stream is used by one goroutine at a time, but for Close.
type stream struct {
	open   func(cursor string) (*span, error)
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex // guards current
	current *span
	err     error // final; only Next uses it
}

// Next waits for the next event of whichever generation serves.
func (s *stream) Next(ctx context.Context) (storage.Event, error) {
	for s.err == nil {
		sp := s.span()
		ev, err := sp.Next(ctx)
		switch {
		case err == nil:
			return ev, nil
		case ctx.Err() != nil || !sp.isRetired() || s.isClosed():
			s.err = storage.Annotate(err, "watch", "")
		default:
			s.err = s.moveOn(sp)
		}
	}
	return storage.Event{}, s.err
}

func (s *stream) moveOn(from *span) error {
	<-from.ended
	next, err := s.open(from.Cursor())
	if err != nil {
		return storage.Annotate(err, "watch", "")
	}
	s.mu.Lock()
	s.current = next
	s.mu.Unlock()
	return nil
}

func (s *stream) span() *span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *stream) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *stream) Cursor() string { return s.span().Cursor() }

// Close ends the stream and returns the lease.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	<-s.span().ended
	return nil
}
