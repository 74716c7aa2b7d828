package supabase

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxPage bounds a page, and so the answer: keys and metadata of 1000 objects
// have at most about 5 MiB.
const maxPage = 1000

// List implements storage.Backend.
func (b *backend) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	ctx, leave, err := b.gate.enter(ctx)
	if err != nil {
		return storage.Page{}, err
	}
	defer leave()
	at, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	var answer struct {
		Entries []struct {
			record
			Prefix string `json:"prefix"`
		} `json:"entries"`
		More bool `json:"more"`
	}
	_, err = b.caller.call(ctx, "list", map[string]any{
		"p_namespace": b.config.Namespace, "p_limit": min(opts.Limit, maxPage), "p_prefix": opts.Prefix,
		"p_delimiter": opts.Delimiter, "p_after": at.After, "p_after_all": at.IsPrefix,
	}, &answer)
	if err != nil {
		return storage.Page{}, err
	}
	var page storage.Page
	for i := range answer.Entries {
		e := &answer.Entries[i]
		if e.Prefix != "" {
			page.Prefixes = append(page.Prefixes, e.Prefix)
			at = storage.ListPosition{After: e.Prefix, IsPrefix: true}
			continue
		}
		page.Objects = append(page.Objects, e.object(e.Key))
		at = storage.ListPosition{After: e.Key}
	}
	if answer.More {
		page.NextToken = at.Token()
	}
	return page, nil
}
