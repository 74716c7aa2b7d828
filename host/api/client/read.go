package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// rangeAttempts bounds how often a range at the end of a value is tried anew
// while the value changes.
const rangeAttempts = 5

// Get implements storage.Backend.
func (c *Client) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	header := rangeHeader(opts.Range)
	for range rangeAttempts {
		if opts.Range.IsWhole() || header != "" {
			r, err := c.get(ctx, key, header, opts)
			if err == nil || opts.Range.IsWhole() || !errors.Is(err, storage.ErrOutOfRange) {
				return r, err
			}
		}
		// A read of nothing, which HTTP cannot ask for, or calls out of range.
		o, err := c.Stat(ctx, key, storage.StatOptions{IfMatch: opts.IfMatch, Consistency: opts.Consistency, Session: opts.Session})
		if err != nil {
			return nil, storage.Annotate(err, "get", key)
		}
		offset, length, err := opts.Range.Resolve(o.Size)
		if err != nil {
			return nil, storage.Annotate(err, "get", key)
		}
		if length == 0 {
			return storage.NewReader(o, offset, 0, http.NoBody), nil
		}
	}
	return nil, storage.Annotate(storage.Errorf(storage.CodeUnavailable, "the object changes faster than it can be read"), "get", key)
}

// rangeHeader is "" for the whole value, and for ranges without bytes.
func rangeHeader(r storage.Range) string {
	switch {
	case r.IsWhole() || r.Length == 0:
		return ""
	case r.Kind == storage.RangeSuffix:
		return fmt.Sprintf("bytes=-%d", r.Length)
	case r.Length < 0 || r.Length > math.MaxInt64-r.Offset:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	default:
		return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
	}
}

func (c *Client) get(ctx context.Context, key, byteRange string, opts storage.GetOptions) (*storage.Reader, error) {
	cl := objectCall("get", http.MethodGet, key, opts.Consistency, opts.Session)
	if opts.IfMatch != "" {
		cl.header.Set("If-Match", quote(opts.IfMatch))
	}
	if byteRange != "" {
		cl.header.Set("Range", byteRange)
	}
	resp, err := c.send(ctx, cl)
	if err != nil {
		return nil, err
	}
	r, err := readerOf(ctx, key, resp, byteRange != "")
	if err != nil {
		_ = resp.Body.Close()
		return nil, storage.Annotate(err, "get", key)
	}
	return r, nil
}

func readerOf(ctx context.Context, key string, resp *http.Response, ranged bool) (*storage.Reader, error) {
	length := resp.ContentLength
	first, size := int64(0), length
	if ranged {
		var last int64
		_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size)
		if err != nil || resp.StatusCode != http.StatusPartialContent || last-first+1 != length || last >= size || first < 0 {
			return nil, malformed("it is %s with the range %q and %d bytes", resp.Status, resp.Header.Get("Content-Range"), length)
		}
	}
	if length < 0 {
		return nil, malformed("it has no length")
	}
	o, err := objectOf(key, size, resp.Header)
	if err != nil {
		return nil, err
	}
	return storage.NewReader(o, first, length, &answerBody{resp.Body, ctx.Err}), nil
}

// Stat implements storage.Backend.
func (c *Client) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	cl := objectCall("stat", http.MethodHead, key, opts.Consistency, opts.Session)
	if opts.IfMatch != "" {
		cl.header.Set("If-Match", quote(opts.IfMatch))
	}
	resp, err := c.send(ctx, cl)
	if err != nil {
		return storage.Object{}, err
	}
	defer discard(resp)
	if resp.ContentLength < 0 {
		return storage.Object{}, storage.Annotate(malformed("it has no length"), "stat", key)
	}
	o, err := objectOf(key, resp.ContentLength, resp.Header)
	return o, storage.Annotate(err, "stat", key)
}
