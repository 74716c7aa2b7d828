package local

import (
	"context"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxListScan bounds the records one page looks at, so that a page over many
// expired objects ends too; it may then be shorter than its limit.
const maxListScan = 2 * storage.MaxListLimit

// afterAll sorts after every continuation of a prefix: keys are valid UTF-8,
// where this byte does not occur.
const afterAll = "\xff"

// List implements storage.Backend. A page is a consistent view.
func (s *store) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := s.enter(ctx); err != nil {
		return storage.Page{}, err
	}
	defer s.gate.leave()
	position, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	if opts.Limit == 0 {
		opts.Limit = storage.DefaultListLimit
	}
	p := pager{opts: opts, now: s.now(), position: position}
	if err := p.check(); err != nil {
		return storage.Page{}, err
	}
	if err := s.engine.scan(opts.Prefix, p.from(), p.visit); err != nil {
		return storage.Page{}, err
	}
	// What the page shows, or no longer shows, may still be being committed.
	if err := s.log.waitSettled(ctx, s.log.issued()); err != nil {
		return storage.Page{}, storage.AsError(err)
	}
	if err := s.engine.health(); err != nil {
		return storage.Page{}, err
	}
	return p.page, nil
}

// pager fills a page with the records a scan shows it.
type pager struct {
	opts storage.ListOptions
	now  time.Time
	// position is where the page ends so far.
	position storage.ListPosition
	scanned  int
	page     storage.Page
}

// check refuses a position of another listing.
func (p *pager) check() error {
	after := p.position.After
	if after != "" && !strings.HasPrefix(after, p.opts.Prefix) || p.position.IsPrefix && p.opts.Delimiter == "" {
		return storage.Errorf(storage.CodeInvalidArgument, "the continuation token belongs to a listing with another prefix or delimiter")
	}
	return nil
}

// from returns the first key after the position.
func (p *pager) from() string {
	switch {
	case p.position.After == "":
		return p.opts.Prefix
	case p.position.IsPrefix:
		return p.position.After + afterAll
	default:
		return p.position.After + "\x00"
	}
}

func (p *pager) visit(r *record) (seek string, more bool) {
	p.scanned++
	full := len(p.page.Objects)+len(p.page.Prefixes) >= p.opts.Limit
	live := r.live(p.now) != nil
	if full && live || p.scanned > maxListScan {
		p.page.NextToken = p.position.Token()
		return "", false
	}
	if !live {
		if !full {
			p.position = storage.ListPosition{After: r.object.Key}
		}
		return "", true
	}
	if prefix, ok := storage.CommonPrefix(r.object.Key, p.opts.Prefix, p.opts.Delimiter); ok {
		p.page.Prefixes = append(p.page.Prefixes, prefix)
		p.position = storage.ListPosition{After: prefix, IsPrefix: true}
		return prefix + afterAll, true
	}
	p.page.Objects = append(p.page.Objects, r.describe())
	p.position = storage.ListPosition{After: r.object.Key}
	return "", true
}
