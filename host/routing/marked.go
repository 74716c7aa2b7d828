package routing

import (
	"context"
	"io"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The operations of a child with etags as callers of the policy know them. The
// etags in errors are still the child's; see [marked.failure].

func (c *marked) get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	if opts.IfMatch, err = c.inward(ctx, key, opts.IfMatch); err != nil {
		return nil, err
	}
	if r, err = c.child.Store.Get(ctx, key, opts); err != nil {
		return nil, err
	}
	r.Object = c.outward(r.Object)
	return r, nil
}

func (c *marked) stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	if opts.IfMatch, err = c.inward(ctx, key, opts.IfMatch); err != nil {
		return storage.Object{}, err
	}
	if o, err = c.child.Store.Stat(ctx, key, opts); err != nil {
		return storage.Object{}, err
	}
	return c.outward(o), nil
}

func (c *marked) put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	if opts.If, err = c.condition(ctx, key, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	if res, err = c.child.Store.Put(ctx, key, body, opts); err != nil {
		return storage.PutResult{}, err
	}
	res.Object = c.outward(res.Object)
	return res, nil
}

func (c *marked) delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	if opts.If, err = c.condition(ctx, key, opts.If); err != nil {
		return storage.Deleted{}, err
	}
	return c.child.Store.Delete(ctx, key, opts)
}

// conditions returns ops with the child's conditions. An error is that of key.
func (c *marked) conditions(ctx context.Context, ops []storage.BatchOp) (inward []storage.BatchOp, key string, err error) {
	inward = slices.Clone(ops)
	for i := range inward {
		o := &inward[i]
		switch o.Kind {
		case storage.BatchPut:
			o.Put.If, err = c.condition(ctx, o.Key, o.Put.If)
		case storage.BatchDelete:
			o.Delete.If, err = c.condition(ctx, o.Key, o.Delete.If)
		}
		if err != nil {
			return nil, o.Key, err
		}
	}
	return inward, "", nil
}

func (c *marked) batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	inward, key, err := c.conditions(ctx, ops)
	if err != nil {
		return nil, storage.Annotate(err, "", key)
	}
	results, err := c.child.Store.Batch(ctx, inward, opts)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Object = c.outward(results[i].Object)
	}
	return results, nil
}

// probed is how many keys a look for one of them reads at a time.
const probed = 32

// holds looks for a key that begins with prefix and is mine.
func (c *marked) holds(ctx context.Context, prefix string, opts storage.ListOptions, mine func(key string) bool) (bool, error) {
	opts.Prefix, opts.Delimiter, opts.Token, opts.Limit = prefix, "", "", probed
	for {
		page, err := c.child.Store.List(ctx, opts)
		if err != nil {
			return false, blame(err, c.child.Name)
		}
		if slices.ContainsFunc(page.Objects, func(o storage.Object) bool { return mine(o.Key) }) {
			return true, nil
		}
		if opts.Token = page.NextToken; opts.Token == "" {
			return false, nil
		}
		opts.Limit = storage.DefaultListLimit
	}
}
