package routing

import (
	"context"
	"errors"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List merges the listings of all children. While keys move it shows one that
// has not moved where it is, and one that is at both places as its owner has it.
func (s *shard) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	m := s.migration.Load()
	if m == nil {
		return s.keyed.List(ctx, opts)
	}
	return listMoving(ctx, s.policy, &s.moving, opts, func() (storage.Page, error) { return s.list(ctx, m, opts) }, s.Stat)
}

func (s *shard) list(ctx context.Context, m *migration, opts storage.ListOptions) (storage.Page, error) {
	token, err := parseMergeToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	page := merge{opts: opts, after: token.position()}
	for _, c := range s.all {
		page.sources = append(page.sources, newChildPages(c.child.Name, c.child.Store, opts, token.Pages[c.child.Name]))
	}
	page.choose = func(ctx context.Context, same []found) (*entry, error) {
		key := same[0].entry.name
		if same[0].entry.object == nil {
			return s.prefixOf(ctx, m, same, opts)
		}
		order, err := s.places(m, key)
		if err != nil {
			return nil, err
		}
		for _, at := range order {
			if i := slices.IndexFunc(same, func(f found) bool { return f.source == at }); i >= 0 {
				o := s.all[at].outward(*same[i].entry.object)
				return &entry{o.Key, &o}, nil
			}
		}
		return nil, nil
	}
	return page.page(ctx)
}

// places are the children that may have key: its owner first, then the earlier
// ones, the latest first.
func (s *shard) places(m *migration, key string) ([]int, error) {
	owner, err := s.owner(key)
	if err != nil {
		return nil, err
	}
	return append([]int{owner}, m.owners(key, owner)...), nil
}

func (s *shard) prefixOf(ctx context.Context, m *migration, same []found, opts storage.ListOptions) (*entry, error) {
	for _, f := range same {
		var failure error
		held, err := s.all[f.source].holds(ctx, f.entry.name, opts, func(key string) bool {
			at, err := s.places(m, key)
			failure = errors.Join(failure, err)
			return slices.Contains(at, f.source)
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
