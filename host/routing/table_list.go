package routing

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List merges the listings of all routes that may hold keys with the prefix. A
// listing that stays inside one route is that of its store, tokens included.
//
// The token of a merged listing holds where it ended and, for each route, the
// token of the store's page it was on; that page is read again and what was
// dealt with is left out, so nothing is lost or repeated whatever was inserted
// or deleted meanwhile.
func (t *Table) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := storage.ValidateList(opts); err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	routes := t.sources(opts.Prefix)
	if len(routes) == 1 && t.routes[routes[0]].takesAll(opts.Prefix) {
		return t.routes[routes[0]].To.List(ctx, opts)
	}
	if opts.Limit == 0 {
		opts.Limit = storage.DefaultListLimit
	}
	token, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	m := merge{opts: opts, after: token.position(), choose: anyOf}
	for _, i := range routes {
		m.sources = append(m.sources, t.source(i, opts, token.Pages[t.routes[i].Prefix]))
	}
	page, err := m.page(ctx)
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	return page, nil
}
