package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List implements storage.Backend. The cache has no order, so every page looks at
// all keys and sorts those that are left: it costs what the cache holds, not what
// the page shows.
func (b *backend) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := b.enter(ctx); err != nil {
		return storage.Page{}, err
	}
	position, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	if after := position.After; after != "" && !strings.HasPrefix(after, opts.Prefix) || position.IsPrefix && opts.Delimiter == "" {
		return storage.Page{}, storage.Errorf(storage.CodeInvalidArgument, "the continuation token belongs to a listing with another prefix or delimiter")
	}
	if opts.Limit == 0 {
		opts.Limit = storage.DefaultListLimit
	}
	left, err := b.left(ctx, opts.Prefix, position)
	if err != nil {
		return storage.Page{}, err
	}
	var page storage.Page
	for _, e := range left {
		key := e.object.Key
		if position.Covers(key) {
			continue // its common prefix is in the page
		}
		if len(page.Objects)+len(page.Prefixes) == opts.Limit {
			page.NextToken = position.Token()
			break
		}
		if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
			page.Prefixes = append(page.Prefixes, prefix)
			position = storage.ListPosition{After: prefix, IsPrefix: true}
			continue
		}
		page.Objects = append(page.Objects, e.describe())
		position = storage.ListPosition{After: key}
	}
	return page, nil
}

// left returns what a listing has not dealt with yet, in order.
func (b *backend) left(ctx context.Context, prefix string, position storage.ListPosition) ([]*entry, error) {
	var left []*entry
	seen := 0
	for key, e := range b.entries.All() {
		if seen++; seen%1024 == 0 && ctx.Err() != nil {
			return nil, storage.AsError(ctx.Err())
		}
		if strings.HasPrefix(key, prefix) && !position.Covers(key) {
			left = append(left, e)
		}
	}
	slices.SortFunc(left, func(a, b *entry) int { return strings.Compare(a.object.Key, b.object.Key) })
	return left, nil
}
