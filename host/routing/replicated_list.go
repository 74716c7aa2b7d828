package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List merges the listings of all replicas and shows of each key the newest
// version, unless that is a tombstone. As many replicas must answer as overlap
// with every acknowledged write.
func (e *replicated) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	set, err := e.begin(event.OpList, "")
	if err != nil {
		return storage.Page{}, err
	}
	token, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	m := e.merge(set, opts, token)
	m.choose = func(ctx context.Context, same []found) (*entry, error) {
		for _, f := range same {
			if f.entry.object == nil {
				return e.prefix(ctx, set, m, f.entry)
			}
		}
		return visible(same), nil
	}
	return m.page(ctx)
}

func (e *replicated) merge(set copySet, opts storage.ListOptions, token mergeToken) *merge {
	if opts.Limit == 0 {
		opts.Limit = storage.DefaultListLimit
	}
	m := &merge{opts: opts, after: token.position(), spare: len(set.replicas) - set.read()}
	below := storage.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter, Limit: opts.Limit}
	for _, r := range set.replicas {
		below.Consistency = r.strong()
		m.sources = append(m.sources, newChildPages(r.ref(), r.child.Store, below, token.Pages[r.ref()]))
	}
	return m
}

// visible is the newest of the copies of a key as callers see it, or nil.
func visible(same []found) *entry {
	var best copyState
	for _, f := range same {
		if s := stateOf(*f.entry.object); best.stamp.less(s.stamp) {
			best = s
		}
	}
	if !best.live(time.Now()) {
		return nil
	}
	o := best.outward()
	return &entry{o.Key, &o}
}

// prefix shows a common prefix if any key in it is visible.
func (e *replicated) prefix(ctx context.Context, set copySet, above *merge, common *entry) (*entry, error) {
	m := e.merge(set, storage.ListOptions{Prefix: common.name, Limit: 1, AllowPartial: above.opts.AllowPartial}, mergeToken{})
	m.choose = func(_ context.Context, same []found) (*entry, error) { return visible(same), nil }
	page, err := m.page(ctx)
	if page.Partial {
		above.lacking = noted(above.lacking, page.FailedBackends...)
	}
	if err != nil || len(page.Objects) == 0 {
		return nil, err
	}
	return common, nil
}
