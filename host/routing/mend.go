package routing

import (
	"context"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// listMoving reads a page while keys may move from child to child: those that
// moved meanwhile and are not on the page are looked up.
func listMoving(ctx context.Context, policy string, m *moving, opts storage.ListOptions, list func() (storage.Page, error),
	stat func(context.Context, string, storage.StatOptions) (storage.Object, error),
) (storage.Page, error) {
	stop := m.watch()
	page, err := list()
	moved, many := stop()
	switch {
	case err != nil:
		return storage.Page{}, err
	case many != nil:
		return storage.Page{}, many
	case len(moved) == 0:
		return page, nil
	}
	begin, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	end, err := parseMergeToken(page.NextToken)
	if err != nil {
		return storage.Page{}, err
	}
	all := entries(page)
	for _, key := range moved {
		e := entry{name: key}
		if !strings.HasPrefix(key, opts.Prefix) {
			continue
		}
		prefix, rolled := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter)
		if rolled {
			e.name = prefix
		}
		at, known := slices.BinarySearchFunc(all, e.name, func(e entry, name string) int { return strings.Compare(e.name, name) })
		if known || begin.position().Covers(e.name) || page.NextToken != "" && !end.position().Covers(e.name) {
			continue
		}
		o, err := stat(ctx, key, storage.StatOptions{Consistency: opts.Consistency, Session: opts.Session})
		switch {
		case err != nil && storage.CodeOf(err) == storage.CodeNotFound:
			continue
		case err != nil && opts.AllowPartial && failsOver(ctx, err):
			page.Partial = true
			page.FailedBackends = noted(page.FailedBackends, failedName(err, policy))
			continue
		case err != nil:
			return storage.Page{}, err
		}
		if !rolled {
			e.object = &o
		}
		all = slices.Insert(all, at, e)
	}
	return pageOf(all, page, opts.Limit), nil
}

// pageOf is page with all entries, cut at the limit.
func pageOf(all []entry, page storage.Page, limit int) storage.Page {
	if len(all) > limit {
		all = all[:limit]
		last := all[limit-1].position()
		page.NextToken = mergeToken{After: last.After, IsPrefix: last.IsPrefix}.String()
	}
	objects, prefixes := make([]storage.Object, 0, len(all)), make([]string, 0, len(page.Prefixes))
	for _, e := range all {
		if e.object == nil {
			prefixes = append(prefixes, e.name)
		} else {
			objects = append(objects, *e.object)
		}
	}
	page.Objects, page.Prefixes = objects, prefixes
	return page
}
