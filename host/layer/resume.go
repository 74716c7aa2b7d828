package layer

import (
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxResumptions is how often one Reader is resumed.
const MaxResumptions = 16

// Get resumes a Reader that breaks with a transient error at the byte where it
// broke, with a Get pinned to the same etag. The checksum of a whole value is
// verified over all its pieces.
func (r *retrier) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	get := func(opts storage.GetOptions) (*storage.Reader, error) {
		return retried(ctx, r, &attempts{op: event.OpGet, reads: true}, func() (*storage.Reader, error) { return r.Store.Get(ctx, key, opts) })
	}
	reader, err := get(opts)
	if err != nil {
		return nil, err
	}
	opts.IfMatch = reader.Object.ETag
	reader.Wrap(func(source io.ReadCloser) io.ReadCloser {
		return &resumedSource{
			source: source, offset: reader.Offset, end: reader.Offset + reader.Length,
			may: func(err error) bool {
				delay, again := r.again(ctx, &attempts{op: event.OpGet, reads: true, made: 1}, err)
				return again && wait(ctx, delay)
			},
			reopen: func(offset, length int64) (*storage.Reader, error) {
				opts.Range = storage.RangeOf(offset, length)
				return get(opts)
			},
		}
	})
	return reader, nil
}

type resumedSource struct {
	source      io.ReadCloser
	offset, end int64 // of what is still to be read
	resumed     int
	broken      error                // of a read that gave bytes too
	may         func(err error) bool // after a wait
	reopen      func(offset, length int64) (*storage.Reader, error)
}

func (s *resumedSource) Read(p []byte) (int, error) {
	for {
		n, err := 0, s.broken
		if err == nil {
			n, err = s.source.Read(p)
		}
		s.offset += int64(n)
		if err == nil || err == io.EOF || s.offset >= s.end {
			return n, err
		}
		if s.broken = err; n > 0 {
			return n, nil
		}
		if s.resumed == MaxResumptions || !s.may(err) {
			return 0, s.marked(err)
		}
		next, failed := s.reopen(s.offset, s.end-s.offset)
		if failed != nil {
			return 0, s.explain(err, failed)
		}
		_ = s.source.Close() // it is broken
		s.source, s.broken = next, nil
		s.resumed++
	}
}

func (s *resumedSource) marked(err error) error {
	e := storage.AsError(err)
	e.Retried = e.Retried || s.resumed > 0
	return e
}

// explain reports why a stream that broke with err could not go on.
func (s *resumedSource) explain(err, failed error) error {
	e := storage.AsError(failed)
	switch e.Code {
	case storage.CodeFailedPrecondition, storage.CodeNotFound:
		e = storage.Errorf(storage.CodeUnavailable, "the read broke off, and the object has changed since: %w", err)
	}
	e.Retried = true
	return e
}

// wait reports whether the time passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *resumedSource) Close() error { return s.source.Close() }
