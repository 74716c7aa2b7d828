package routing

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// mergeToken is the continuation token of a merged listing.
type mergeToken struct {
	After    string            `json:"a"`
	IsPrefix bool              `json:"p,omitempty"`
	Pages    map[string]string `json:"s,omitempty"` // id of a source → token of its store
}

func (t mergeToken) position() storage.ListPosition {
	return storage.ListPosition{After: t.After, IsPrefix: t.IsPrefix}
}

func (t mergeToken) encode() string {
	raw, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// String encodes t. If the tokens of the stores are too long together they are
// left out, and the next page begins to read at the front.
func (t mergeToken) String() string {
	if s := t.encode(); len(s) <= storage.MaxTokenBytes {
		return s
	}
	t.Pages = nil
	return t.encode()
}

func parseMergeToken(token string) (t mergeToken, err error) {
	if token == "" {
		return t, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err == nil {
		err = storage.ValidateKey(t.After)
	}
	if err != nil {
		return t, storage.Errorf(storage.CodeInvalidArgument, "the continuation token is not one of this listing; begin again without a token")
	}
	return t, nil
}

// lister is one of the ordered listings that a merge reads.
type lister interface {
	// id tells the listing apart in a token, and label names it to people.
	id() string
	label() string
	// peek returns the first entry after the position, or nil at the end.
	peek(ctx context.Context, after storage.ListPosition) (*entry, error)
	// drop forgets what position covers.
	drop(position storage.ListPosition)
	// resume is the token of the store from which to go on.
	resume() string
	// missing names backends that a partial listing lacks.
	missing() []string
}

// found is an entry with the place of its source in the merge.
type found struct {
	source int
	entry  *entry
}

// anyOf chooses the first of entries that stand for the same.
func anyOf(_ context.Context, same []found) (*entry, error) { return same[0].entry, nil }

// merge makes one page of several ordered listings.
type merge struct {
	opts  storage.ListOptions // with a limit
	after storage.ListPosition
	// sources that fail are set to nil if partial results are allowed.
	sources []lister
	// spare is how many of the sources may fail without the page being partial.
	spare int
	// choose is given what the sources have under one name and returns what to
	// show, or nil to leave the name out.
	choose func(ctx context.Context, same []found) (*entry, error)
	// lacking names backends that choose would have needed; the page is partial
	// then.
	lacking []string
}

func (m *merge) page(ctx context.Context) (storage.Page, error) {
	var page storage.Page
	for {
		same, err := m.next(ctx, &page)
		if err != nil {
			return storage.Page{}, err
		}
		if same == nil {
			return page, nil
		}
		if len(page.Objects)+len(page.Prefixes) == m.opts.Limit {
			break // and there may be more
		}
		e, err := m.choose(ctx, same)
		switch {
		case err != nil:
			return storage.Page{}, err
		case len(m.lacking) > 0:
			page.Partial, page.FailedBackends = true, noted(page.FailedBackends, m.lacking...)
		}
		switch {
		case e == nil:
		case e.object == nil:
			page.Prefixes = append(page.Prefixes, e.name)
		default:
			page.Objects = append(page.Objects, *e.object)
		}
		m.drop(same[0].entry.position())
	}
	page.NextToken = m.token().String()
	return page, nil
}

// token is where the listing goes on.
func (m *merge) token() mergeToken {
	token := mergeToken{After: m.after.After, IsPrefix: m.after.IsPrefix, Pages: map[string]string{}}
	for _, s := range m.sources {
		if s == nil {
			continue
		}
		if at := s.resume(); at != "" {
			token.Pages[s.id()] = at
		}
	}
	return token
}

// next returns the entries of the least name of all sources, or nil at the end.
// A source that fails is left out if that is allowed, and noted in page.
func (m *merge) next(ctx context.Context, page *storage.Page) ([]found, error) {
	var same []found
	for i, s := range m.sources {
		if s == nil {
			continue
		}
		e, err := s.peek(ctx, m.after)
		if err != nil {
			switch {
			case !failsOver(ctx, err):
				return nil, err
			case m.spare > 0:
				m.spare--
				m.sources[i] = nil
				continue
			case !m.opts.AllowPartial:
				return nil, err
			}
			page.Partial = true
			page.FailedBackends = noted(page.FailedBackends, failedName(err, s.label()))
			m.sources[i] = nil
			continue
		}
		missing := s.missing()
		page.Partial = page.Partial || len(missing) > 0
		page.FailedBackends = noted(page.FailedBackends, missing...)
		switch {
		case e == nil:
		case same == nil || e.name < same[0].entry.name:
			same = append(same[:0], found{i, e})
		case e.name == same[0].entry.name:
			same = append(same, found{i, e})
		}
	}
	return same, nil
}

func noted(names []string, more ...string) []string {
	if len(more) == 0 {
		return names
	}
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names)
}

func failedName(err error, label string) string {
	if e := storage.AsError(err); e.Backend != "" {
		return e.Backend
	}
	return label
}

// drop takes what position covers from all sources: several may have rolled
// keys up into the same common prefix.
func (m *merge) drop(position storage.ListPosition) {
	m.after = position
	for _, s := range m.sources {
		if s != nil {
			s.drop(position)
		}
	}
}

// entry is an object, or a common prefix if it has none.
type entry struct {
	name   string
	object *storage.Object
}

func (e *entry) position() storage.ListPosition {
	return storage.ListPosition{After: e.name, IsPrefix: e.object == nil}
}

// entries orders a page by name.
func entries(page storage.Page) []entry {
	all := make([]entry, 0, len(page.Objects)+len(page.Prefixes))
	for i := range page.Objects {
		all = append(all, entry{page.Objects[i].Key, &page.Objects[i]})
	}
	for _, p := range page.Prefixes {
		all = append(all, entry{p, nil})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all
}

// pages reads the listing of a store page by page.
type pages struct {
	at     string // token of the page in hand
	next   string // token of the page after it
	loaded bool
	rest   []entry // of the page in hand
	failed []string
}

// peek returns the first entry after the position, or nil at the end; load
// reads the page of a token and keeps what belongs to the listing.
func (p *pages) peek(after storage.ListPosition, load func(token string) error) (*entry, error) {
	for len(p.rest) == 0 {
		if p.loaded && p.next == "" {
			return nil, nil
		}
		if err := load(p.next); err != nil {
			return nil, err
		}
		p.drop(after)
	}
	return &p.rest[0], nil
}

func (p *pages) drop(position storage.ListPosition) {
	for len(p.rest) > 0 && position.Covers(p.rest[0].name) {
		p.rest = p.rest[1:]
	}
}

// resume is the token from which to go on. A page that was the last is read
// again: something may have been inserted behind it.
func (p *pages) resume() string {
	if len(p.rest) > 0 || p.next == "" {
		return p.at
	}
	return p.next
}

func (p *pages) missing() []string { return p.failed }

// childPages is the listing of a child.
type childPages struct {
	pages
	name  string // of the child
	store storage.Store
	opts  storage.ListOptions
}

func newChildPages(name string, store storage.Store, opts storage.ListOptions, token string) *childPages {
	return &childPages{pages: pages{next: token}, name: name, store: store, opts: opts}
}

func (p *childPages) id() string    { return p.name }
func (p *childPages) label() string { return p.name }

func (p *childPages) peek(ctx context.Context, after storage.ListPosition) (*entry, error) {
	return p.pages.peek(after, func(token string) error {
		opts := p.opts
		opts.Token = token
		page, err := p.store.List(ctx, opts)
		if err != nil {
			return blame(err, p.name)
		}
		p.at, p.next, p.loaded = token, page.NextToken, true
		p.failed = noted(p.failed, page.FailedBackends...)
		p.rest = entries(page)
		return nil
	})
}
