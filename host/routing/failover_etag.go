package routing

import (
	"context"
	"maps"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// metaETag is the etag by which callers know an object that was copied to the
// child that has it: that of the child that took the write. So the etag of a
// version stays the same when the child that missed it is given it.
const metaETag = storage.ReservedMetadataPrefix + "etag"

func (c *candidate) outward(o storage.Object) storage.Object {
	if known := o.Metadata[metaETag]; c.copies && known != "" {
		o.ETag = known
		return o
	}
	return c.marked.outward(o)
}

func (c *candidate) inward(ctx context.Context, key, etag string) (string, error) {
	if !c.copies || etag == "" || c.owns(etag) {
		return c.marked.inward(ctx, key, etag)
	}
	o, err := c.child.Store.Stat(ctx, key, storage.StatOptions{})
	switch {
	case err == nil && o.Metadata[metaETag] == etag:
		return o.ETag, nil
	case err != nil && storage.CodeOf(err) != storage.CodeNotFound:
		return "", err
	}
	return c.marked.inward(ctx, key, etag)
}

func (c *candidate) condition(ctx context.Context, key string, cond storage.Condition) (storage.Condition, error) {
	if cond.Kind != storage.ConditionETag {
		return cond, nil
	}
	etag, err := c.inward(ctx, key, cond.ETag)
	return storage.IfETag(etag), err
}

// failed is an error of this child as the policy's callers see it.
func (c *candidate) failed(ctx context.Context, err error, op, key string) error {
	e := storage.AsError(c.failure(err, op, key))
	if !c.copies || e.Current == "" || key == "" {
		return e
	}
	if o, err := c.child.Store.Stat(ctx, key, storage.StatOptions{}); err == nil && c.qualify(o.ETag) == e.Current {
		e.Current = c.outward(o).ETag
	}
	return e
}

// copyMetadata is that of an object with etag as it is given to another child.
func copyMetadata(o storage.Object, etag string, to *candidate) map[string]string {
	m := make(map[string]string, len(o.Metadata)+1)
	maps.Copy(m, o.Metadata)
	delete(m, metaWriteID)
	delete(m, metaETag)
	if !to.owns(etag) {
		m[metaETag] = etag
	}
	return m
}

// withoutETag is the metadata of a new version: its etag is new as well.
func withoutETag(all map[string]string) map[string]string {
	if _, has := all[metaETag]; !has {
		return all
	}
	all = maps.Clone(all)
	delete(all, metaETag)
	return all
}
