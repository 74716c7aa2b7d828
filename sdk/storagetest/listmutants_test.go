package storagetest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// listing is the reference with another List.
func listing(name string, list func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error)) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend { return &hooked{memory: m, list: list(m)} }}
}

// paged is the reference whose pages are changed before they are returned.
func paged(name string, amend func(page *storage.Page, opts storage.ListOptions)) mutant {
	return listing(name, func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
		return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			page, err := m.List(ctx, opts)
			amend(&page, opts)
			return page, err
		}
	})
}

func listMutants() []mutant {
	return []mutant{
		paged("rolled-up listings are backwards", func(page *storage.Page, opts storage.ListOptions) {
			if opts.Delimiter != "" {
				slices.Reverse(page.Objects)
			}
		}),
		paged("case does not count in the order", func(page *storage.Page, _ storage.ListOptions) {
			slices.SortFunc(page.Objects, func(a, b storage.Object) int {
				return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key))
			})
		}),
		paged("listings have no etags", func(page *storage.Page, _ storage.ListOptions) {
			for i := range page.Objects {
				page.Objects[i].ETag = ""
			}
		}),
		paged("listings have no metadata", func(page *storage.Page, _ storage.ListOptions) {
			for i := range page.Objects {
				page.Objects[i].Metadata = map[string]string{}
			}
		}),
		paged("the object that is the prefix is left out", func(page *storage.Page, opts storage.ListOptions) {
			page.Objects = slices.DeleteFunc(page.Objects, func(o storage.Object) bool { return o.Key == opts.Prefix })
		}),
		paged("partial pages are unasked for", func(page *storage.Page, opts storage.ListOptions) {
			page.Partial = opts.Delimiter == "::"
		}),
		paged("the first page is the last", func(page *storage.Page, opts storage.ListOptions) {
			if opts.Delimiter == "" {
				page.NextToken = ""
			}
		}),
		listing("the limit is ignored", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if opts.Delimiter == "" {
					opts.Limit = storage.MaxListLimit
				}
				return m.List(ctx, opts)
			}
		}),
		listing("the limit does not count prefixes", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if opts.Delimiter != "" && opts.Limit > 1 {
					opts.Limit++
				}
				return m.List(ctx, opts)
			}
		}),
		listing("tokens are inclusive", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				at, err := storage.ParseListToken(opts.Token)
				if err != nil {
					return storage.Page{}, err
				}
				page, err := m.List(ctx, opts)
				if o, missing := m.Stat(ctx, at.After, storage.StatOptions{}); at.After != "" && err == nil && missing == nil && opts.Delimiter == "" {
					page.Objects = slices.Insert(page.Objects, 0, o)
				}
				return page, err
			}
		}),
		listing("tokens are offsets", offsetList),
		listing("a bad token begins anew", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if _, err := storage.ParseListToken(opts.Token); err != nil {
					opts.Token = ""
				}
				return m.List(ctx, opts)
			}
		}),
		listing("a token after a prefix goes back into it", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if at, err := storage.ParseListToken(opts.Token); err == nil && at.IsPrefix {
					at.IsPrefix = false
					opts.Token = at.Token()
				}
				return m.List(ctx, opts)
			}
		}),
		listing("prefixes end at components", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				page, err := m.List(ctx, opts)
				page.Objects = slices.DeleteFunc(page.Objects, func(o storage.Object) bool {
					rest := strings.TrimPrefix(o.Key, opts.Prefix)
					return opts.Prefix != "" && !strings.HasSuffix(opts.Prefix, "/") && rest != "" && rest[0] != '/'
				})
				return page, err
			}
		}),
		listing("a delimiter is its first byte", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if len(opts.Delimiter) > 1 && opts.Delimiter[0] < 0x80 {
					opts.Delimiter = opts.Delimiter[:1]
				}
				return m.List(ctx, opts)
			}
		}),
		listing("delimiters are ignored", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				opts.Delimiter = ""
				return m.List(ctx, opts)
			}
		}),
		listing("expired objects are listed", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				if err := m.usable(ctx); err != nil {
					return storage.Page{}, err
				}
				shadow := newMemory() // the same objects, none of which expires
				m.mu.Lock()
				shadow.objects = maps.Clone(m.objects)
				m.mu.Unlock()
				expiry := make(map[string]time.Time)
				for key, o := range shadow.objects {
					expiry[key], o.ExpiresAt = o.ExpiresAt, time.Time{}
					shadow.objects[key] = o
				}
				page, err := shadow.List(ctx, opts)
				for i := range page.Objects {
					page.Objects[i].ExpiresAt = expiry[page.Objects[i].Key]
				}
				return page, err
			}
		}),
		listing("a listing misses the newest object once", func(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
			missed := make(map[string]bool)
			return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
				page, err := m.List(ctx, opts)
				for _, o := range page.Objects {
					if strings.HasSuffix(o.Key, "/k") && len(page.Objects) == 1 && !missed[o.ETag] {
						missed[o.ETag] = true
						page.Objects = nil
					}
				}
				return page, err
			}
		}),
	}
}

// offsetList pages by counting: it skips or repeats when keys come and go.
func offsetList(m *memory) func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	return func(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
		from, err := 0, error(nil)
		if opts.Token != "" {
			if from, err = strconv.Atoi(opts.Token); err != nil {
				return storage.Page{}, storage.Errorf(storage.CodeInvalidArgument, "%w", errors.New("not an offset"))
			}
		}
		limit := opts.Limit
		opts.Token, opts.Limit = "", storage.MaxListLimit
		all, err := m.List(ctx, opts)
		if err != nil {
			return all, err
		}
		var page storage.Page
		entries := make([]string, 0, len(all.Objects)+len(all.Prefixes))
		for _, o := range all.Objects {
			entries = append(entries, o.Key)
		}
		entries = append(entries, all.Prefixes...)
		slices.Sort(entries)
		end := min(from+limit, len(entries))
		for _, e := range entries[min(from, len(entries)):end] {
			if i := slices.IndexFunc(all.Objects, func(o storage.Object) bool { return o.Key == e }); i >= 0 {
				page.Objects = append(page.Objects, all.Objects[i])
			} else {
				page.Prefixes = append(page.Prefixes, e)
			}
		}
		if end < len(entries) {
			page.NextToken = strconv.Itoa(end)
		}
		return page, nil
	}
}
