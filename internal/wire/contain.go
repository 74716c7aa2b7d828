package wire

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Contain returns s with panics turned into Internal errors: one bad call does
// not end the process and the other calls in it. The panic and its stack go to
// log. A write that panicked has an unknown outcome.
func Contain(s storage.Store, log *slog.Logger) storage.Store {
	return &contained{Store: s, log: log}
}

type contained struct {
	storage.Store
	log *slog.Logger
}

// recovered turns a panic of the function that defers it into *err.
func recovered(log *slog.Logger, op, key string, write bool, err *error) {
	r := recover()
	if r == nil {
		return
	}
	log.Error("a plugin's method panicked", "op", op, "panic", r, "stack", string(debug.Stack()))
	*err = &storage.Error{
		Op: op, Key: key, Code: storage.CodeInternal, OutcomeUnknown: write,
		Err: fmt.Errorf("the plugin panicked: %v", r),
	}
}

func (c *contained) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	defer recovered(c.log, "get", key, false, &err)
	r, err = c.Store.Get(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Length < 0 {
		return nil, storage.Annotate(storage.Errorf(storage.CodeInternal, "the plugin gave no reader that makes sense"), "get", key)
	}
	r.Wrap(func(body io.ReadCloser) io.ReadCloser { return &containedBody{body, key, c.log} })
	return r, nil
}

func (c *contained) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	defer recovered(c.log, "put", key, true, &err)
	return c.Store.Put(ctx, key, body, opts)
}

func (c *contained) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	defer recovered(c.log, "stat", key, false, &err)
	return c.Store.Stat(ctx, key, opts)
}

func (c *contained) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	defer recovered(c.log, "delete", key, true, &err)
	return c.Store.Delete(ctx, key, opts)
}

func (c *contained) List(ctx context.Context, opts storage.ListOptions) (p storage.Page, err error) {
	defer recovered(c.log, "list", "", false, &err)
	return c.Store.List(ctx, opts)
}

func (c *contained) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) (res []storage.BatchResult, err error) {
	defer recovered(c.log, "batch", "", true, &err)
	return c.Store.Batch(ctx, ops, opts)
}

func (c *contained) Commit(ctx context.Context, tx storage.Transaction) (res []storage.BatchResult, err error) {
	defer recovered(c.log, "commit", "", true, &err)
	return c.Store.Commit(ctx, tx)
}

func (c *contained) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (res storage.PutResult, err error) {
	defer recovered(c.log, "copy", dst, true, &err)
	return c.Store.Copy(ctx, src, dst, opts)
}

func (c *contained) Watch(ctx context.Context, opts storage.WatchOptions) (s storage.EventStream, err error) {
	defer recovered(c.log, "watch", "", false, &err)
	s, err = c.Store.Watch(ctx, opts)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, storage.Annotate(storage.Errorf(storage.CodeInternal, "the plugin gave no stream"), "watch", "")
	}
	return &containedStream{s, c.log}, nil
}

func (c *contained) CheckHealth(ctx context.Context) (err error) {
	defer recovered(c.log, "health", "", false, &err)
	return c.Store.CheckHealth(ctx)
}

func (c *contained) Close(ctx context.Context) (err error) {
	defer recovered(c.log, "close", "", false, &err)
	return c.Store.Close(ctx)
}

type containedBody struct {
	body io.ReadCloser
	key  string
	log  *slog.Logger
}

func (b *containedBody) Read(p []byte) (n int, err error) {
	defer recovered(b.log, "get", b.key, false, &err)
	return b.body.Read(p)
}

func (b *containedBody) Close() (err error) {
	defer recovered(b.log, "get", b.key, false, &err)
	return b.body.Close()
}

type containedStream struct {
	storage.EventStream
	log *slog.Logger
}

func (s *containedStream) Next(ctx context.Context) (e storage.Event, err error) {
	defer recovered(s.log, "watch", "", false, &err)
	return s.EventStream.Next(ctx)
}

func (s *containedStream) Cursor() string {
	var cursor string
	var err error
	func() {
		defer recovered(s.log, "watch", "", false, &err)
		cursor = s.EventStream.Cursor()
	}()
	return cursor
}

func (s *containedStream) Close() (err error) {
	defer recovered(s.log, "watch", "", false, &err)
	return s.EventStream.Close()
}
