package storagetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fails ends the case unless err is an *Error of the code.
func (p *probe) fails(err error, code storage.Code, what string) *storage.Error {
	if err == nil {
		p.failf("expected %s to fail with %s; it succeeded", what, code.String())
	}
	var e *storage.Error
	if !errors.As(err, &e) {
		p.failf("expected %s to fail with a *storage.Error; got a %T: %v", what, err, err)
	}
	if got := storage.CodeOf(err); got != code {
		p.failf("expected %s to fail with %s; got %s: %v", what, code.String(), got.String(), err)
	}
	return e
}

// refuses ends the case unless err is FailedPrecondition and carries current.
func (p *probe) refuses(err error, current, what string) {
	e := p.fails(err, storage.CodeFailedPrecondition, what)
	if e.Current != current {
		p.failf("expected the error of %s to carry the current etag %q; got %q", what, current, e.Current)
	}
}

// holds ends the case unless Get gives value for key.
func (p *probe) holds(ctx context.Context, key, value string) {
	got, _ := p.get(ctx, key, storage.GetOptions{})
	equal(p, "the value of "+show(key), got, value)
}

// absent ends the case unless Get and Stat call key NotFound.
func (p *probe) absent(ctx context.Context, key string) {
	r, err := p.store.Get(ctx, key, storage.GetOptions{})
	if err == nil {
		_ = r.Close()
	}
	p.fails(err, storage.CodeNotFound, "get "+show(key))
	_, err = p.store.Stat(ctx, key, storage.StatOptions{})
	p.fails(err, storage.CodeNotFound, "stat "+show(key))
}

// sameObject ends the case unless got describes the version that want does.
func (p *probe) sameObject(what string, got, want storage.Object) {
	equal(p, "the key of "+what, got.Key, want.Key)
	equal(p, "the size of "+what, got.Size, want.Size)
	equal(p, "the etag of "+what, got.ETag, want.ETag)
	equal(p, "the content type of "+what, got.ContentType, want.ContentType)
	equal(p, "the CRC-32C of "+what, got.CRC32C, want.CRC32C)
	if !got.ModTime.Equal(want.ModTime) {
		p.failf("expected the time of %s to be %v; got %v", what, want.ModTime, got.ModTime)
	}
	if !got.ExpiresAt.Equal(want.ExpiresAt) {
		p.failf("expected the expiry of %s to be %v; got %v", what, want.ExpiresAt, got.ExpiresAt)
	}
	p.sameMetadata(what, got.Metadata, want.Metadata)
}

func (p *probe) sameMetadata(what string, got, want map[string]string) {
	if !maps.Equal(got, want) {
		p.failf("expected the metadata of %s to be %q; got %q", what, want, got)
	}
}

// notClaimed ends the case if a tristate says the opposite of what is true.
func (p *probe) notClaimed(what string, got, wrong storage.Tristate) {
	if got == wrong {
		p.failf("expected %s not to be %q; it was", what, wrong)
	}
	if got > storage.Yes {
		p.failf("expected %s to be unknown, no or yes; got %d", what, got)
	}
}

// listing is all pages of a listing.
type listing struct {
	objects  []storage.Object
	prefixes []string
	pages    int
}

func (l listing) keys() []string {
	keys := make([]string, 0, len(l.objects))
	for _, o := range l.objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// maxPages bounds how often a listing may be continued.
const maxPages = 10_000

// list reads all pages and checks what holds for every listing: the limit,
// the prefix, the order, and that no page begins before the one before ended.
func (p *probe) list(ctx context.Context, opts storage.ListOptions) listing {
	var all listing
	last := ""
	for {
		page, err := p.store.List(ctx, opts)
		p.ok(err, "list %q", opts.Prefix)
		first, end := p.checkPage(opts, page)
		if all.pages > 0 && first != "" && first <= last {
			p.failf("expected a page to begin after %q, where the one before ended; it begins at %q", last, first)
		}
		last = max(last, end)
		all.objects = append(all.objects, page.Objects...)
		all.prefixes = append(all.prefixes, page.Prefixes...)
		all.pages++
		if page.NextToken == "" {
			return all
		}
		if page.NextToken == opts.Token || all.pages > maxPages {
			p.failf("expected the listing to come to an end; after %d pages it did not", all.pages)
		}
		opts.Token = page.NextToken
	}
}

// checkPage returns the first and the last entry of the page.
func (p *probe) checkPage(opts storage.ListOptions, page storage.Page) (first, last string) {
	limit := opts.Limit
	if limit == 0 {
		limit = storage.DefaultListLimit
	}
	if n := len(page.Objects) + len(page.Prefixes); n > limit {
		p.failf("expected at most %d objects and prefixes on a page; got %d", limit, n)
	}
	if page.Partial || len(page.FailedBackends) > 0 {
		p.failf("expected a complete page, for no partial one was asked for; got one that lacks %q", page.FailedBackends)
	}
	keys := listing{objects: page.Objects}.keys()
	for _, entries := range [][]string{keys, page.Prefixes} {
		if !slices.IsSorted(entries) || len(slices.Compact(slices.Clone(entries))) != len(entries) {
			p.failf("expected the entries of a page in bytewise ascending order, each once; got %s", show(entries))
		}
		for _, e := range entries {
			if !strings.HasPrefix(e, opts.Prefix) {
				p.failf("expected only entries that begin with %q; got %q", opts.Prefix, e)
			}
		}
	}
	entries := slices.Concat(keys, page.Prefixes)
	if len(entries) == 0 {
		return "", ""
	}
	return slices.Min(entries), slices.Max(entries)
}
