package local

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"sort"
	"strings"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Watch implements storage.Watcher. A stream keeps nothing but its position in
// the change log, so a slow watcher costs nothing and falls into a gap when
// the log has moved on without it.
func (s *store) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	w := &stream{log: s.log, ctx: ctx, prefix: opts.Prefix, closed: make(chan struct{}), down: s.closed}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	w.seen = s.log.last
	if opts.Cursor != "" {
		origin, position, err := parseCursor(opts.Cursor)
		if err != nil {
			return nil, err
		}
		w.seen = position
		w.gap = origin != s.log.origin || position > s.log.last
	}
	w.cursor = s.log.cursor(w.seen)
	if w.gap {
		w.cursor = opts.Cursor
	}
	return w, nil
}

// stream implements storage.EventStream.
type stream struct {
	log    *changeLog
	ctx    context.Context //nolint:containedctx // the stream ends when the context of Watch does
	prefix string
	seen   uint64 // position up to which the log was searched
	gap    bool   // the cursor was not one of this log
	cursor string

	once   sync.Once
	closed chan struct{}
	down   <-chan struct{}
}

// Next implements storage.EventStream.
func (w *stream) Next(ctx context.Context) (storage.Event, error) {
	for {
		if err := w.ended(ctx); err != nil {
			return storage.Event{}, err
		}
		event, moved := w.find()
		if event.Kind != 0 {
			w.cursor = event.Cursor
			return event, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
		case <-w.ctx.Done():
		case <-w.closed:
		case <-w.down:
		}
	}
}

func (w *stream) ended(ctx context.Context) error {
	select {
	case <-w.closed:
		return storage.Errorf(storage.CodeCanceled, "the stream is closed")
	case <-ctx.Done():
		return storage.AsError(ctx.Err())
	case <-w.ctx.Done():
		return storage.AsError(w.ctx.Err())
	case <-w.down:
		return errClosed()
	default:
		return nil
	}
}

// find returns the next event, or what to wait for.
func (w *stream) find() (storage.Event, <-chan struct{}) {
	l := w.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.gap || w.seen < l.dropped {
		w.gap, w.seen = false, l.last
		return storage.Event{Kind: storage.EventGap, Cursor: l.cursor(w.seen)}, nil
	}
	n := len(l.ring)
	for i := sort.Search(n, func(i int) bool { return l.entry(i).position > w.seen }); i < n; i++ {
		e := l.entry(i)
		w.seen = e.position
		if strings.HasPrefix(e.key, w.prefix) {
			return storage.Event{Kind: e.kind, Key: e.key, ETag: e.etag, Cursor: l.cursor(e.position)}, nil
		}
	}
	return storage.Event{}, l.waiter()
}

// Cursor implements storage.EventStream.
func (w *stream) Cursor() string { return w.cursor }

// Close implements storage.EventStream.
func (w *stream) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// A cursor is a version byte, the origin of the log and a position.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 8 + 8
)

func (l *changeLog) cursor(position uint64) string {
	raw := append(make([]byte, 0, cursorBytes), cursorVersion)
	raw = binary.BigEndian.AppendUint64(raw, l.origin)
	raw = binary.BigEndian.AppendUint64(raw, position)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(cursor string) (origin, position uint64, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != cursorBytes || raw[0] != cursorVersion || strings.ContainsAny(cursor, "\r\n") {
		return 0, 0, storage.Errorf(storage.CodeInvalidArgument, "the cursor is not one of this backend; watch without a cursor and list")
	}
	return binary.BigEndian.Uint64(raw[1:]), binary.BigEndian.Uint64(raw[9:]), nil
}
