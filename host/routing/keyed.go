package routing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// keyed is a store made of children of which each key belongs to one. Whatever
// else a child holds is not seen.
type keyed struct {
	policy   string
	children []*marked
	// owner returns the index of the child that a key belongs to. It depends on
	// the key alone.
	owner func(key string) (int, error)
}

func newKeyed(policy string, children []Child, owner func(key string) (int, error)) keyed {
	k := keyed{policy: policy, owner: owner}
	for _, c := range children {
		m := newMarked(c)
		k.children = append(k.children, &m)
	}
	return k
}

func (k *keyed) of(key string) (*marked, error) {
	i, err := k.owner(key)
	if err != nil {
		return nil, err
	}
	return k.children[i], nil
}

// failed is an error of the child that key belongs to.
func (k *keyed) failed(ctx context.Context, c *marked, err error, op, key string) error {
	if failsOver(ctx, err) {
		err = blame(err, fmt.Sprintf("policy %q: the key belongs to %s", k.policy, c.child.Name))
	}
	return c.failure(err, op, key)
}

// blame begins the text of err with who it is about.
func blame(err error, who string) error {
	e := storage.AsError(err)
	if e.Err == nil {
		e.Err = errors.New(who)
	} else {
		e.Err = fmt.Errorf("%s: %w", who, e.Err)
	}
	return e
}

// Capabilities are what all children have.
func (k *keyed) Capabilities() storage.Capabilities { return sharedCapabilities(k.children) }

// sharedCapabilities are those of a store whose keys are spread over children.
func sharedCapabilities(children []*marked) storage.Capabilities {
	caps := children[0].child.Store.Capabilities()
	for _, c := range children[1:] {
		caps = caps.Intersect(c.child.Store.Capabilities())
	}
	caps.AtomicBatch, caps.Transactions, caps.Watch, caps.WatchLatency, caps.Copy = false, false, false, 0, false
	caps.HealthCheck, caps.Exclusive = true, false
	return caps
}

func (k *keyed) Close(context.Context) error { return nil }

// CheckHealth returns what is wrong with any of the children: the keys of that
// one cannot be served.
func (k *keyed) CheckHealth(ctx context.Context) error { return healthOf(ctx, k.policy, k.children) }

func healthOf(ctx context.Context, policy string, children []*marked) error {
	var failures []error
	for _, c := range children {
		if err := c.child.Store.CheckHealth(ctx); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", c.child.Name, err))
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return storage.Errorf(storage.CodeUnavailable, "policy %q: %w", policy, errors.Join(failures...))
}

func (k *keyed) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	c, err := k.of(key)
	if err != nil {
		return nil, err
	}
	r, err := c.get(ctx, key, opts)
	if err != nil {
		return nil, k.failed(ctx, c, err, "get", key)
	}
	return r, nil
}

func (k *keyed) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	c, err := k.of(key)
	if err != nil {
		return storage.Object{}, err
	}
	o, err := c.stat(ctx, key, opts)
	if err != nil {
		return storage.Object{}, k.failed(ctx, c, err, "stat", key)
	}
	return o, nil
}

func (k *keyed) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	c, err := k.of(key)
	if err != nil {
		return storage.PutResult{}, err
	}
	res, err := c.put(ctx, key, body, opts)
	if err != nil {
		return storage.PutResult{}, k.failed(ctx, c, err, "put", key)
	}
	return res, nil
}

func (k *keyed) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	c, err := k.of(key)
	if err != nil {
		return storage.Deleted{}, err
	}
	d, err := c.delete(ctx, key, opts)
	if err != nil {
		return d, k.failed(ctx, c, err, "delete", key)
	}
	return d, nil
}

// Copy copies inside a child, or from one to another through the host.
func (k *keyed) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	from, err := k.of(src)
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", src)
	}
	to, err := k.of(dst)
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	if from != to {
		return copyAcross(ctx, k, k, src, dst, opts)
	}
	if opts.If, err = to.condition(ctx, dst, opts.If); err == nil {
		opts.SourceIfMatch, err = to.inward(ctx, src, opts.SourceIfMatch)
	}
	if err != nil {
		return storage.PutResult{}, k.failed(ctx, to, err, "copy", dst)
	}
	res, err := to.child.Store.Copy(ctx, src, dst, opts)
	if err != nil {
		return storage.PutResult{}, k.failed(ctx, to, err, "copy", dst)
	}
	res.Object = to.outward(res.Object)
	return res, nil
}

// Batch splits ops among the owners of their keys, and keeps their order in
// each. The error of one owner's part is that of all operations in it.
func (k *keyed) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	parts, err := splitBatch(ops, k.owner)
	if err != nil {
		return nil, err
	}
	return batchParts(parts, ops, func(owner int, mine []storage.BatchOp) ([]storage.BatchResult, error) {
		c := k.children[owner]
		results, err := c.batch(ctx, mine, opts)
		if err != nil {
			return nil, k.failed(ctx, c, err, "batch", "")
		}
		for i, r := range results {
			if r.Err != nil {
				results[i].Err = k.failed(ctx, c, r.Err, "batch", mine[i].Key)
			}
		}
		return results, nil
	}), nil
}

// List merges the listings of all children.
func (k *keyed) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	token, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	m := merge{opts: opts, after: token.position()}
	for _, c := range k.children {
		m.sources = append(m.sources, newChildPages(c.child.Name, c.child.Store, opts, token.Pages[c.child.Name]))
	}
	m.choose = func(ctx context.Context, same []found) (*entry, error) {
		if same[0].entry.object == nil {
			return k.prefix(ctx, same, opts)
		}
		owner, err := k.owner(same[0].entry.name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(same, func(f found) bool { return f.source == owner })
		if i < 0 {
			return nil, nil
		}
		o := k.children[owner].outward(*same[i].entry.object)
		return &entry{o.Key, &o}, nil
	}
	return m.page(ctx)
}

// prefix returns the common prefix of same if any of the children that have it
// has a key there that belongs to it.
func (k *keyed) prefix(ctx context.Context, same []found, opts storage.ListOptions) (*entry, error) {
	for _, f := range same {
		c := k.children[f.source]
		var failure error
		held, err := c.holds(ctx, f.entry.name, opts, func(key string) bool {
			owner, err := k.owner(key)
			failure = errors.Join(failure, err)
			return err == nil && owner == f.source
		})
		switch err := errors.Join(err, failure); {
		case err != nil && opts.AllowPartial && failsOver(ctx, err): // the next page will say so
		case err != nil:
			return nil, err
		case held:
			return f.entry, nil
		}
	}
	return nil, nil
}
