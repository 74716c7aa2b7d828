package local

import (
	"context"
	"io"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Sizes of the pieces a value is read into: as large as the hint says, else
// they double; never larger than the last.
const (
	firstChunk = 4 << 10
	lastChunk  = 1 << 20
)

// stager collects a value in memory, within a quota.
type stager struct {
	body     bodyReader
	quota    *quota
	chunks   chunks
	size     int64
	crc      uint32
	reserved int64
	probe    [1]byte
}

// fill reads the body until it ends, then ended is true, or until limit bytes
// were read. Room is reserved before it is allocated.
func (s *stager) fill(sizeHint, limit int64) (ended bool, err error) {
	for s.size < limit && !ended {
		head := s.probe[:0]
		if s.size > 0 { // most bodies end where a piece does: look before allocating
			n, err := s.body.fill(s.probe[:])
			if err != nil && err != io.EOF || n == 0 { //nolint:errorlint // a body that ends says so itself
				return true, notEOF(err)
			}
			head, ended = s.probe[:n], err != nil
		}
		room := s.nextChunk(sizeHint, limit)
		if ended {
			room = int64(len(head))
		}
		if room, err = s.reserve(room); err != nil {
			return false, err
		}
		chunk := make([]byte, room)
		n := copy(chunk, head)
		if !ended {
			m, err := s.body.fill(chunk[n:])
			if notEOF(err) != nil {
				return false, err
			}
			n, ended = n+m, err != nil
		}
		s.add(chunk[:n])
	}
	return ended, nil
}

// add keeps chunk, without the part of it that was not filled.
func (s *stager) add(chunk []byte) {
	if unused := int64(cap(chunk) - len(chunk)); unused > 0 {
		chunk = slices.Clone(chunk)
		s.release(unused)
	}
	if len(chunk) > 0 {
		s.chunks = append(s.chunks, chunk)
		s.crc = storage.Checksum(s.crc, chunk)
		s.size += int64(len(chunk))
	}
}

func (s *stager) nextChunk(sizeHint, limit int64) int64 {
	n := max(firstChunk, s.size)
	if sizeHint > s.size {
		n = sizeHint - s.size
	}
	return min(n, lastChunk, limit-s.size)
}

// reserve takes n bytes of the quota, or fewer where it is nearly used up.
func (s *stager) reserve(n int64) (int64, error) {
	for ; n > firstChunk; n = max(n/2, firstChunk) {
		if s.quota.take(n) {
			s.reserved += n
			return n, nil
		}
	}
	if err := s.quota.reserve(s.body.ctx, n); err != nil {
		return 0, err
	}
	s.reserved += n
	return n, nil
}

func (s *stager) release(n int64) {
	s.quota.release(n)
	s.reserved -= n
}

// bodyReader reads the body of a put until ctx is done.
type bodyReader struct {
	ctx  context.Context //nolint:containedctx // lives as long as the put
	body io.Reader
}

// fill fills p. Its error is io.EOF if the body ended, possibly with some
// bytes read, or what the body failed with.
func (b *bodyReader) fill(p []byte) (n int, err error) {
	for empty := 0; n < len(p); {
		if err := b.ctx.Err(); err != nil {
			return n, err
		}
		m, err := b.body.Read(p[n:])
		n += m
		if err != nil {
			return n, err //nolint:wrapcheck // the caller's own error
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// maxEmptyReads is how often in a row a body may give neither bytes nor an
// error.
const maxEmptyReads = 100

func notEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // a body that ends says so itself
		return nil
	}
	return err
}
