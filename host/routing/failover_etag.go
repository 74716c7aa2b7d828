package routing

import (
	"context"
	"maps"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// What callers know of an object that was copied to the child that has it: the
// etag and the time of the child that took the write. So both stay the same when
// the child that missed it is given it.
const (
	metaETag     = storage.ReservedMetadataPrefix + "etag"
	metaModified = storage.ReservedMetadataPrefix + "modified"
)

// metaStandIn marks what the policy itself gave to another child than the
// primary. Once nothing is owed for the key, nobody can tell whether that is
// still the newest version, unless it is remembered what was written last.
const metaStandIn = storage.ReservedMetadataPrefix + "stand-in"

// standIn is the metadata of a new version for c.
func standIn(all map[string]string, c *candidate) map[string]string {
	if c.index == 0 {
		return all
	}
	m := make(map[string]string, len(all)+1)
	maps.Copy(m, all)
	m[metaStandIn] = "1"
	return m
}

func (c *candidate) outward(o storage.Object) storage.Object {
	known := o.Metadata[metaETag]
	if !c.copies || known == "" {
		return c.marked.outward(o)
	}
	o.ETag = known
	if at, err := time.Parse(time.RFC3339Nano, o.Metadata[metaModified]); err == nil {
		o.ModTime = at
	}
	return o
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

// copyMetadata is that of an object, as callers know it, for its copy at another
// child.
func copyMetadata(o storage.Object, to *candidate) map[string]string {
	m := make(map[string]string, len(o.Metadata)+2)
	maps.Copy(m, o.Metadata)
	for _, name := range []string{metaWriteID, metaETag, metaModified, metaStandIn} {
		delete(m, name)
	}
	if !to.owns(o.ETag) {
		m[metaETag], m[metaModified] = o.ETag, o.ModTime.UTC().Format(time.RFC3339Nano)
	}
	return standIn(m, to)
}

// asNew is the caller's metadata for a new version: what a policy above took over
// from another version does not hold for it.
func asNew(all map[string]string) map[string]string {
	if all[metaETag] == "" && all[metaStandIn] == "" {
		return all
	}
	all = maps.Clone(all)
	for _, name := range []string{metaETag, metaModified, metaStandIn} {
		delete(all, name)
	}
	return all
}
