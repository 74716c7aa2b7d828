package storage

import (
	"context"
	"time"
)

// Copier is implemented by backends that copy an object without moving its
// bytes through the caller.
type Copier interface {
	// Copy stores under dst the value, content type, metadata and expiry that
	// src has, as one atomic Put. A missing src is NotFound with src as the
	// error's key. src and dst may be the same.
	Copy(ctx context.Context, src, dst string, opts CopyOptions) (PutResult, error)
}

// CopyOptions modify Copy.
type CopyOptions struct {
	// If is the condition on dst.
	If Condition
	// SourceIfMatch, when not empty, is the etag src must have.
	SourceIfMatch string
}

// copyThrough copies by Get and Put.
func copyThrough(ctx context.Context, b Backend, src, dst string, opts CopyOptions) (PutResult, error) {
	r, err := b.Get(ctx, src, GetOptions{IfMatch: opts.SourceIfMatch})
	if err != nil {
		return PutResult{}, Annotate(err, "copy", src)
	}
	defer r.Close()
	put := PutOptions{If: opts.If, ContentType: r.Object.ContentType, Metadata: r.Object.Metadata, SizeHint: r.Length}
	if !r.Object.ExpiresAt.IsZero() {
		put.TTL = time.Until(r.Object.ExpiresAt)
		if put.TTL <= 0 {
			return PutResult{}, Annotate(Errorf(CodeNotFound, "the source expired"), "copy", src)
		}
	}
	return b.Put(ctx, dst, r, put)
}
