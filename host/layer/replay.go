package layer

import (
	"bytes"
	"io"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// replay gives the body of a Put to one attempt after another.
type replay struct {
	source io.Reader
	seeker io.Seeker // nil if the source cannot go back
	start  int64
	limit  int

	kept    []byte // what the source gave so far, unless there was too much
	lost    bool   // more was read than may be kept
	read    bool
	failed  bool // the source itself failed
	current *attemptBody
}

func newReplay(source io.Reader, size int64, limit int) *replay {
	r := &replay{source: source, limit: limit}
	if s, ok := source.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			r.seeker, r.start = s, at
		}
	}
	if r.seeker == nil && size > int64(limit) {
		r.limit = 0 // it would not fit in the end
	}
	return r
}

// ready reports whether another attempt would get the same body, and goes back
// to its beginning.
func (r *replay) ready() bool {
	switch {
	case !r.read:
		return true
	case r.failed:
		return false
	case r.seeker != nil:
		_, err := r.seeker.Seek(r.start, io.SeekStart)
		return err == nil
	default:
		return !r.lost
	}
}

// attempt returns the body for the next attempt.
func (r *replay) attempt() *attemptBody {
	r.current = &attemptBody{replay: r}
	if r.seeker == nil {
		r.current.again.Reset(r.kept)
	}
	return r.current
}

func (r *replay) release() { r.kept = nil }

func (r *replay) next(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.read = r.read || n > 0 || err != nil
	if err != nil && err != io.EOF {
		r.failed = true
	}
	if r.seeker == nil && !r.lost {
		if len(r.kept)+n > r.limit {
			r.kept, r.lost = nil, true
		} else {
			r.kept = append(r.kept, p[:n]...)
		}
	}
	return n, err
}

// attemptBody is the body of one attempt: what was kept, then the rest of the
// source. It ends when the attempt returns, so that a backend that reads on
// takes nothing from the next attempt or from the caller.
type attemptBody struct {
	replay *replay
	again  bytes.Reader

	mu    sync.Mutex // held while the source is read
	ended bool
}

func (b *attemptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, storage.Errorf(storage.CodeInternal, "the backend read the body after Put had returned")
	}
	if b.again.Len() > 0 {
		return b.again.Read(p)
	}
	return b.replay.next(p)
}

// end waits for a read that is still under way.
func (b *attemptBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}
