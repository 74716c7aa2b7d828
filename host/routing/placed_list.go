package routing

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List merges the listings of all children; of several copies it shows the
// newest.
func (p *placed) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return listMoving(ctx, p.policy, &p.moving, opts, func() (storage.Page, error) { return p.list(ctx, opts) }, p.Stat)
}

func (p *placed) list(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	token, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	m := &merge{opts: opts, after: token.position()}
	for _, c := range p.children {
		m.sources = append(m.sources, newChildPages(c.child.Name, c.child.Store, opts, token.Pages[c.child.Name]))
	}
	m.choose = func(ctx context.Context, same []found) (*entry, error) {
		var newest *entry
		var of stamp
		for _, f := range same {
			if f.entry.object == nil {
				return p.prefix(ctx, m, f.entry)
			}
			c := p.children[f.source]
			at := stateOf(*f.entry.object).stamp
			if p.debts.standing(c, f.entry.name, at) != dead && (newest == nil || of.less(at)) {
				o := c.outward(*f.entry.object)
				newest, of = &entry{o.Key, &o}, at
			}
		}
		return newest, nil
	}
	return m.page(ctx)
}

// prefix shows a common prefix, unless all that is behind it is dead.
func (p *placed) prefix(ctx context.Context, above *merge, common *entry) (*entry, error) {
	if !p.debts.outstanding(p.children) {
		return common, nil
	}
	page, err := p.list(ctx, storage.ListOptions{Prefix: common.name, Limit: 1, AllowPartial: above.opts.AllowPartial, Consistency: above.opts.Consistency})
	if page.Partial {
		above.lacking = noted(above.lacking, page.FailedBackends...)
	}
	if err != nil || len(page.Objects) == 0 {
		return nil, err
	}
	return common, nil
}
