package routing

import (
	"context"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// source is the listing of one route: what its store holds of the route's
// domain.
type source struct {
	pages
	table  *Table
	index  int
	route  Route
	opts   storage.ListOptions
	rolled string // the common prefix that all keys of the route are rolled up into
}

func (s *source) id() string    { return s.route.Prefix }
func (s *source) label() string { return "route " + s.route.Prefix }

func (t *Table) source(index int, opts storage.ListOptions, token string) *source {
	r := t.routes[index]
	s := &source{table: t, index: index, route: r, opts: opts, pages: pages{next: token}}
	if len(r.Prefix) > len(opts.Prefix) {
		// A delimiter of several bytes may begin in the prefix and end behind
		// it, so the store must be given the prefix that was asked for.
		if s.rolled, _ = storage.CommonPrefix(r.Prefix, opts.Prefix, opts.Delimiter); s.rolled == "" && len(opts.Delimiter) < 2 {
			s.opts.Prefix = r.Prefix
		}
	}
	return s
}

func (s *source) peek(ctx context.Context, after storage.ListPosition) (*entry, error) {
	return s.pages.peek(after, func(token string) error { return s.load(ctx, after, token) })
}

func (s *source) load(ctx context.Context, after storage.ListPosition, token string) error {
	if s.rolled != "" {
		s.loaded, s.next = true, ""
		if after.Covers(s.rolled) {
			return nil
		}
		held, err := s.holdsAny(ctx, s.rolled)
		if held {
			s.rest = []entry{{s.rolled, nil}}
		}
		return err
	}
	opts := s.opts
	opts.Token = token
	page, err := s.route.To.List(ctx, opts)
	if err != nil {
		return err
	}
	s.at, s.next, s.loaded = token, page.NextToken, true
	s.failed = noted(s.failed, page.FailedBackends...)
	for _, e := range entries(page) {
		mine, err := s.owns(ctx, e)
		if err != nil {
			return err
		}
		if mine {
			s.rest = append(s.rest, e)
		}
	}
	return nil
}

// owns reports whether e belongs to the route. A common prefix does if any of
// the keys in it does.
func (s *source) owns(ctx context.Context, e entry) (bool, error) {
	if e.object != nil {
		return s.table.route(e.name) == s.index, nil
	}
	routes := s.table.sources(e.name)
	if len(routes) == 1 && s.table.routes[routes[0]].takesAll(e.name) {
		return routes[0] == s.index, nil
	}
	for _, i := range routes {
		if i == s.index {
			return s.holdsAny(ctx, e.name)
		}
	}
	return false, nil
}

// holdsAny looks for a key of the route among those that begin with prefix,
// some of which are other routes'.
func (s *source) holdsAny(ctx context.Context, prefix string) (bool, error) {
	opts := storage.ListOptions{Prefix: prefix, AllowPartial: s.opts.AllowPartial, Consistency: s.opts.Consistency, Session: s.opts.Session}
	if strings.HasPrefix(s.route.Prefix, prefix) {
		opts.Prefix = s.route.Prefix
	}
	for {
		page, err := s.route.To.List(ctx, opts)
		if err != nil {
			return false, err
		}
		for _, o := range page.Objects {
			if s.table.route(o.Key) == s.index {
				return true, nil
			}
		}
		if opts.Token = page.NextToken; opts.Token == "" {
			return false, nil
		}
	}
}
