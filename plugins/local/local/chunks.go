package local

import (
	"context"
	"io"
)

// chunks is a value in memory, in pieces so that it can grow without being
// copied. Its bytes do not change once it is complete.
type chunks [][]byte

// copyTo fills p from offset on.
func (c chunks) copyTo(p []byte, offset int64) {
	for _, chunk := range c {
		if offset >= int64(len(chunk)) {
			offset -= int64(len(chunk))
			continue
		}
		n := copy(p, chunk[offset:])
		p, offset = p[n:], 0
		if len(p) == 0 {
			return
		}
	}
}

// reader reads from offset on until ctx is done.
func (c chunks) reader(ctx context.Context, offset int64) io.ReadCloser {
	for len(c) > 0 && offset >= int64(len(c[0])) {
		offset -= int64(len(c[0]))
		c = c[1:]
	}
	return &chunkReader{ctx: ctx, chunks: c, offset: int(offset)}
}

type chunkReader struct {
	ctx    context.Context //nolint:containedctx // the context of the Get governs the whole read
	chunks chunks
	offset int // in the first chunk
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	for len(r.chunks) > 0 && r.offset == len(r.chunks[0]) {
		r.chunks, r.offset = r.chunks[1:], 0
	}
	if len(r.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.chunks[0][r.offset:])
	r.offset += n
	return n, nil
}

func (r *chunkReader) Close() error { return nil }
