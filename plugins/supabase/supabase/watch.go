package supabase

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// changesPerCall is how many changes a watcher asks for at once.
const changesPerCall = 500

// position is a place in the log of changes. Floor leaves out what was written
// before watching began.
type position struct {
	xid   uint64
	seq   int64
	floor int64
}

const (
	cursorVersion = 1
	cursorBytes   = 1 + 3*8
)

func (p position) cursor() string {
	raw := append(make([]byte, 0, cursorBytes), cursorVersion)
	raw = binary.BigEndian.AppendUint64(raw, p.xid)
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.seq))
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.floor))
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(cursor string) (p position, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != cursorBytes || raw[0] != cursorVersion || strings.ContainsAny(cursor, "\r\n") {
		return p, storage.Errorf(storage.CodeInvalidArgument, "the cursor is not one of this backend; watch without a cursor and list")
	}
	p.xid = binary.BigEndian.Uint64(raw[1:])
	p.seq = int64(binary.BigEndian.Uint64(raw[9:]))    //nolint:gosec // the bits of a signed number
	p.floor = int64(binary.BigEndian.Uint64(raw[17:])) //nolint:gosec // likewise
	return p, nil
}

// Watch implements storage.Watcher. A stream asks for changes when all it had
// are delivered, at most once in every watch_interval.
func (b *backend) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	_, leave, err := b.gate.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s := &stream{backend: b, prefix: opts.Prefix}
	s.ctx, s.end = context.WithCancel(ctx)
	if opts.Cursor != "" {
		at, err := parseCursor(opts.Cursor)
		if err != nil {
			s.end()
			return nil, err
		}
		s.at, s.cursor = at, opts.Cursor
		return s, nil
	}
	answer, err := s.ask(ctx, map[string]any{"p_namespace": b.config.Namespace, "p_prefix": "", "p_limit": 0})
	if err != nil {
		s.end()
		return nil, err
	}
	s.at = answer.position
	s.cursor = s.at.cursor()
	s.asked = time.Now()
	return s, nil
}

// changes is a decoded answer.
type changes struct {
	position position
	events   []storage.Event
	gap      bool
	more     bool
}

// stream implements storage.EventStream.
type stream struct {
	backend *backend
	prefix  string
	ctx     context.Context //nolint:containedctx // the stream ends when the context of Watch does
	end     context.CancelFunc
	closed  atomic.Bool

	at     position
	ready  []storage.Event
	more   bool // there are more changes already
	asked  time.Time
	cursor string
}

// Next implements storage.EventStream.
func (s *stream) Next(ctx context.Context) (storage.Event, error) {
	for {
		if err := s.ended(ctx); err != nil {
			return storage.Event{}, err
		}
		if len(s.ready) > 0 {
			e := s.ready[0]
			s.ready = s.ready[1:]
			s.cursor = e.Cursor
			return e, nil
		}
		if err := s.fill(ctx); err != nil {
			return storage.Event{}, err
		}
	}
}

func (s *stream) ended(ctx context.Context) error {
	switch {
	case s.closed.Load():
		return storage.Errorf(storage.CodeCanceled, "the stream is closed")
	case ctx.Err() != nil:
		return storage.AsError(ctx.Err())
	case s.backend.gate.life.Err() != nil:
		return errClosed()
	case s.ctx.Err() != nil:
		return storage.AsError(s.ctx.Err())
	default:
		return nil
	}
}

// fill waits until it is time to ask, and asks. That the project does not
// answer does not end the stream: what happens meanwhile is kept there.
func (s *stream) fill(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	defer context.AfterFunc(s.backend.gate.life, cancel)()
	if !s.more {
		timer := time.NewTimer(time.Until(s.asked.Add(s.backend.config.WatchInterval)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
	s.asked = time.Now()
	answer, err := s.ask(ctx, map[string]any{
		"p_namespace": s.backend.config.Namespace, "p_prefix": s.prefix, "p_limit": changesPerCall,
		"p_xid": strconv.FormatUint(s.at.xid, 10), "p_seq": s.at.seq, "p_floor": s.at.floor,
	})
	switch {
	case ctx.Err() != nil:
		return nil // Next says why
	case err != nil && storage.AsError(err).Code.Transient():
		s.more = false
		s.backend.log.Debug("changes cannot be asked for", "error", err)
		return nil
	case err != nil:
		return err
	}
	s.at, s.ready, s.more = answer.position, answer.events, answer.more
	if answer.gap {
		s.ready = []storage.Event{{Kind: storage.EventGap, Cursor: s.at.cursor()}}
	}
	return nil
}

func (s *stream) ask(ctx context.Context, args map[string]any) (changes, error) {
	var answer struct {
		Events []struct {
			Key     string `json:"key"`
			Version string `json:"version"`
			XID     uint64 `json:"xid,string"`
			Seq     int64  `json:"seq"`
		} `json:"events"`
		Gap   bool   `json:"gap"`
		More  bool   `json:"more"`
		XID   uint64 `json:"xid,string"`
		Seq   int64  `json:"seq"`
		Floor int64  `json:"floor"`
	}
	if _, err := s.backend.caller.call(ctx, "changes", args, &answer); err != nil {
		return changes{}, err
	}
	out := changes{position: position{answer.XID, answer.Seq, answer.Floor}, gap: answer.Gap, more: answer.More}
	for _, e := range answer.Events {
		at := position{e.XID, e.Seq, answer.Floor}
		event := storage.Event{Kind: storage.EventPut, Key: e.Key, ETag: e.Version, Cursor: at.cursor()}
		if e.Version == "" {
			event.Kind = storage.EventDelete
		}
		out.events = append(out.events, event)
		if answer.More {
			out.position = at
		}
	}
	return out, nil
}

// Cursor implements storage.EventStream.
func (s *stream) Cursor() string { return s.cursor }

// Close implements storage.EventStream.
func (s *stream) Close() error {
	s.closed.Store(true)
	s.end()
	return nil
}
