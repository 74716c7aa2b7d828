package routing

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

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
	token, err := parseTableToken(opts.Token)
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	m := merge{opts: opts, after: token.position()}
	for _, i := range routes {
		m.sources = append(m.sources, t.source(i, opts, token.Pages[t.routes[i].Prefix]))
	}
	page, err := m.page(ctx)
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	return page, nil
}

// tableToken is the continuation token of a merged listing.
type tableToken struct {
	After    string            `json:"a"`
	IsPrefix bool              `json:"p,omitempty"`
	Pages    map[string]string `json:"s,omitempty"` // route → token of its store
}

func (t tableToken) position() storage.ListPosition {
	return storage.ListPosition{After: t.After, IsPrefix: t.IsPrefix}
}

func (t tableToken) encode() string {
	raw, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// String encodes t. If the tokens of the stores are too long together they are
// left out, and the next page begins to read at the front.
func (t tableToken) String() string {
	if s := t.encode(); len(s) <= storage.MaxTokenBytes {
		return s
	}
	t.Pages = nil
	return t.encode()
}

func parseTableToken(token string) (t tableToken, err error) {
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

// merge makes one page of several ordered sources.
type merge struct {
	opts    storage.ListOptions
	after   storage.ListPosition
	sources []*source
}

func (m *merge) page(ctx context.Context) (storage.Page, error) {
	var page storage.Page
	last := m.after
	for len(page.Objects)+len(page.Prefixes) < m.opts.Limit {
		e, err := m.next(ctx, &page)
		switch {
		case err != nil:
			return storage.Page{}, err
		case e == nil:
			return page, nil
		case e.object == nil:
			page.Prefixes = append(page.Prefixes, e.name)
		default:
			page.Objects = append(page.Objects, *e.object)
		}
		last = e.position()
		m.drop(last)
	}
	// The page is full. There may be more only if a source has more.
	e, err := m.next(ctx, &page)
	if err != nil {
		return storage.Page{}, err
	}
	if e != nil {
		token := tableToken{After: last.After, IsPrefix: last.IsPrefix, Pages: map[string]string{}}
		for _, s := range m.sources {
			if at := s.resume(); at != "" {
				token.Pages[s.route.Prefix] = at
			}
		}
		page.NextToken = token.String()
	}
	return page, nil
}

// next returns the least entry of all sources, or nil. A source that fails is
// left out if that is allowed, and noted in page.
func (m *merge) next(ctx context.Context, page *storage.Page) (*entry, error) {
	var least *entry
	for i := 0; i < len(m.sources); i++ {
		s := m.sources[i]
		e, err := s.peek(ctx, m.after)
		if err != nil {
			if !m.opts.AllowPartial || !failsOver(ctx, err) {
				return nil, err
			}
			page.Partial = true
			page.FailedBackends = noted(page.FailedBackends, failedName(err, s.route))
			m.sources = slices.Delete(m.sources, i, i+1)
			i--
			continue
		}
		page.Partial = page.Partial || len(s.failed) > 0
		page.FailedBackends = noted(page.FailedBackends, s.failed...)
		if e != nil && (least == nil || e.name < least.name) {
			least = e
		}
	}
	return least, nil
}

func noted(names []string, more ...string) []string {
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names)
}

func failedName(err error, r Route) string {
	if e := storage.AsError(err); e.Backend != "" {
		return e.Backend
	}
	return "route " + r.Prefix
}

// drop takes what position covers from all sources: several may have rolled
// keys up into the same common prefix.
func (m *merge) drop(position storage.ListPosition) {
	m.after = position
	for _, s := range m.sources {
		s.drop(position)
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
