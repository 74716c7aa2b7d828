package client

import (
	"context"
	"io"
	"maps"
	"net/http"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Put implements storage.Backend. Once ctx is done it returns within a second,
// also while body does not: then a read of it may still be under way.
func (c *Client) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := storage.ValidateCallerMetadata(opts.Metadata); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	cl := objectCall("put", http.MethodPut, key, opts.Consistency, opts.Session)
	cl.write, cl.body = true, newUpload(ctx, body)
	cl.setCondition(opts.If)
	if opts.ContentType != "" {
		cl.header.Set("Content-Type", opts.ContentType)
	}
	if opts.TTL != 0 {
		cl.header.Set(headerTTL, opts.TTL.String())
	}
	for name, value := range opts.Metadata {
		cl.header.Set(headerMeta+name, value)
	}
	resp, err := c.send(ctx, cl)
	if err != nil {
		return storage.PutResult{}, err
	}
	defer discard(resp)
	o, err := objectOf(key, cl.body.body.Size, resp.Header)
	if err == nil && o.CRC32C != cl.body.body.CRC32C {
		err = storage.Errorf(storage.CodeDataLoss, "checksum mismatch: %08x was sent, %08x was stored", cl.body.body.CRC32C, o.CRC32C)
	}
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	o.ContentType, o.Metadata = opts.ContentType, maps.Clone(opts.Metadata)
	return storage.PutResult{Object: o, Created: tristate(resp.Header.Get(headerCreated))}, nil
}

// Delete implements storage.Backend.
func (c *Client) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	cl := objectCall("delete", http.MethodDelete, key, opts.Consistency, opts.Session)
	cl.write = true
	cl.setCondition(opts.If)
	resp, err := c.send(ctx, cl)
	if err != nil {
		return storage.Deleted{}, err
	}
	defer discard(resp)
	return storage.Deleted{Existed: tristate(resp.Header.Get(headerExisted))}, nil
}

func (cl *call) setCondition(condition storage.Condition) {
	switch condition.Kind {
	case storage.ConditionAbsent:
		cl.header.Set("If-None-Match", "*")
	case storage.ConditionExists:
		cl.header.Set("If-Match", "*")
	case storage.ConditionETag:
		cl.header.Set("If-Match", quote(condition.ETag))
	}
}
