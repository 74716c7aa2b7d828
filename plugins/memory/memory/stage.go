package memory

import (
	"context"
	"io"
	"slices"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Sizes of the buffer a value is read into: what the hint says within these
// bounds, then it doubles.
const (
	firstBuffer = 4 << 10
	mostAhead   = 1 << 20 // before a byte of it was seen
)

// staging bounds the values that are being put, together.
type staging struct {
	limit int64
	used  atomic.Int64
}

// read reads body to its end, into memory of exactly its size. The value counts
// against the limit until release.
func (s *staging) read(ctx context.Context, body io.Reader, sizeHint int64) (value []byte, release func(), err error) {
	reserved := int64(0)
	release = func() { s.used.Add(-reserved) }
	reserve := func(n int64) error {
		reserved += n
		if s.used.Add(n) > s.limit {
			return storage.Errorf(storage.CodeQuotaExceeded, "the values being put take more than the %d bytes of the cache", s.limit)
		}
		return nil
	}
	// One byte more than the hint lets a body of that size end without growth.
	size := min(max(sizeHint, 0), mostAhead) + 1
	if sizeHint <= 0 {
		size = firstBuffer
	}
	if err = reserve(size); err == nil {
		value = make([]byte, 0, size)
	}
	for err == nil {
		if err = ctx.Err(); err != nil {
			err = storage.AsError(err)
			break
		}
		if len(value) == cap(value) {
			if err = reserve(int64(cap(value))); err != nil {
				break
			}
			value = slices.Grow(value, cap(value))
		}
		var n int
		n, err = body.Read(value[len(value):cap(value)])
		value = value[:len(value)+n]
	}
	if err != io.EOF { //nolint:errorlint // a body that ends says so itself
		release()
		return nil, nil, err
	}
	if spare := cap(value) - len(value); spare > 1 {
		value = append(make([]byte, 0, len(value)), value...)
	}
	return value, release, nil
}
