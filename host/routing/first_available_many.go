package routing

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// List asks the primary. While that is down a listing would lack what only the
// primary has, so it fails over only if partial results are allowed; the page
// is then marked and names those that did not answer. A listing that goes on
// stays with the child it began with.
func (p *firstAvailable) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := storage.ValidateList(opts); err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	from, token, err := p.parseToken(opts.Token)
	if err != nil {
		return storage.Page{}, storage.Annotate(err, "list", "")
	}
	opts.Token = token
	if from != nil || !opts.AllowPartial || !anyone(opts.Consistency) {
		if from == nil {
			from = p.primary
		}
		page, err := p.listFrom(ctx, from, opts)
		from.report(ctx, false, err)
		if err != nil {
			return storage.Page{}, from.failed(ctx, err, "list", "")
		}
		return page, nil
	}
	var page storage.Page
	err = p.read(ctx, question{op: event.OpList, level: opts.Consistency}, func(c *candidate) (err error) {
		page, err = p.listFrom(ctx, c, opts)
		return err
	})
	if err != nil {
		return storage.Page{}, err
	}
	return page, nil
}

func (p *firstAvailable) listFrom(ctx context.Context, c *candidate, opts storage.ListOptions) (storage.Page, error) {
	opts.Consistency = c.level(opts.Consistency)
	page, err := c.child.Store.List(ctx, opts)
	if err != nil {
		return storage.Page{}, err
	}
	for i := range page.Objects {
		page.Objects[i] = c.outward(page.Objects[i])
	}
	if page.NextToken != "" {
		page.NextToken = c.token(page.NextToken)
	}
	if c != p.primary {
		if !opts.AllowPartial {
			return storage.Page{}, storage.Errorf(storage.CodeUnavailable,
				"the listing began at %s while %s was down; go on with partial results allowed, or begin again", c.child.Name, p.primary.child.Name)
		}
		page.Partial = true
		for _, before := range p.order[:c.index] {
			page.FailedBackends = append(page.FailedBackends, before.child.Name)
		}
		slices.Sort(page.FailedBackends)
		page.FailedBackends = slices.Compact(page.FailedBackends)
	}
	return page, nil
}

// token makes a child's continuation token one of the policy.
func (c *candidate) token(token string) string {
	return c.mark + markPlain + base64.RawURLEncoding.EncodeToString([]byte(token))
}

func (p *firstAvailable) parseToken(token string) (*candidate, string, error) {
	if token == "" {
		return nil, "", nil
	}
	for _, c := range p.order {
		if rest, ok := strings.CutPrefix(token, c.mark+markPlain); ok {
			if raw, err := base64.RawURLEncoding.DecodeString(rest); err == nil && len(raw) > 0 {
				return c, string(raw), nil
			}
		}
	}
	return nil, "", storage.Errorf(storage.CodeInvalidArgument, "the continuation token is not one of this listing; begin again without a token")
}

// Batch goes to the primary if it writes. One that only reads fails over, and
// its single results follow the rules of Get and Stat: if one of them fails in
// a way that makes a Get fail over, the whole batch does.
func (p *firstAvailable) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := storage.ValidateBatch(ops); err != nil {
		return nil, storage.Annotate(err, "batch", "")
	}
	if !onlyReads(ops) || !anyone(opts.Consistency) {
		return p.many(ctx, "batch", ops, func(ops []storage.BatchOp) ([]storage.BatchResult, error) {
			return p.primary.child.Store.Batch(ctx, ops, opts)
		})
	}
	var results []storage.BatchResult // of the first that gave any
	err := p.read(ctx, question{op: event.OpBatch, level: opts.Consistency}, func(c *candidate) error {
		opts := opts
		opts.Consistency = c.level(opts.Consistency)
		got, err := c.child.Store.Batch(ctx, ops, opts)
		if err != nil {
			return err
		}
		p.outwardResults(ctx, c, ops, got, opts.Consistency)
		bad := slices.IndexFunc(got, func(r storage.BatchResult) bool { return r.Err != nil && failsOver(ctx, r.Err) })
		if results == nil || bad < 0 {
			results = got
		}
		if bad >= 0 {
			return got[bad].Err
		}
		return nil
	})
	if err != nil && results == nil {
		return nil, err
	}
	return results, nil
}

func (p *firstAvailable) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := storage.ValidateTransaction(tx); err != nil {
		return nil, storage.Annotate(err, "commit", "")
	}
	tx.Checks = slices.Clone(tx.Checks)
	for i, check := range tx.Checks {
		etag, err := p.primary.inward(ctx, check.Key, check.ETag)
		if err != nil {
			return nil, p.primary.failed(ctx, err, "commit", check.Key)
		}
		tx.Checks[i].ETag = etag
	}
	return p.many(ctx, "commit", tx.Ops, func(ops []storage.BatchOp) ([]storage.BatchResult, error) {
		tx.Ops = ops
		return p.primary.child.Store.Commit(ctx, tx)
	})
}

// many runs operations at the primary and remembers what they wrote.
func (p *firstAvailable) many(ctx context.Context, op string, ops []storage.BatchOp, run func([]storage.BatchOp) ([]storage.BatchResult, error)) ([]storage.BatchResult, error) {
	c := p.primary
	inward, key, err := c.conditions(ctx, ops)
	if err != nil {
		return nil, c.failed(ctx, err, op, key)
	}
	results, err := run(inward)
	c.report(ctx, false, err)
	if err != nil {
		return nil, c.failed(ctx, err, op, "")
	}
	for i, r := range results {
		switch {
		case r.Err != nil:
		case ops[i].Kind == storage.BatchPut:
			p.written.put(r.Object)
		case ops[i].Kind == storage.BatchDelete:
			p.written.deleted(ops[i].Key)
		}
	}
	p.outwardResults(ctx, c, ops, results, storage.ConsistencyDefault)
	return results, nil
}

func (p *firstAvailable) outwardResults(ctx context.Context, c *candidate, ops []storage.BatchOp, results []storage.BatchResult, level storage.Consistency) {
	for i := range results {
		r := &results[i]
		switch {
		case r.Err == nil && r.Object.Key != "":
			if err := p.acceptable(c, r.Object, level); err != nil {
				*r = storage.BatchResult{Err: storage.Annotate(err, "batch", ops[i].Key)}
				continue
			}
			r.Object = c.outward(r.Object)
		case r.Err != nil && c != p.primary && storage.CodeOf(r.Err) == storage.CodeNotFound:
			r.Err = storage.Annotate(notAuthoritative(c), "batch", ops[i].Key)
		case r.Err != nil:
			r.Err = c.failed(ctx, r.Err, "", ops[i].Key)
		}
	}
}

func onlyReads(ops []storage.BatchOp) bool {
	return !slices.ContainsFunc(ops, func(op storage.BatchOp) bool {
		return op.Kind != storage.BatchGet && op.Kind != storage.BatchStat
	})
}

// Watch reports what happens at the primary, which is where writes go.
func (p *firstAvailable) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	s, err := p.primary.child.Store.Watch(ctx, opts)
	p.primary.report(ctx, false, err)
	if err != nil {
		return nil, p.primary.failed(ctx, err, "watch", "")
	}
	return qualifiedStream{s, p.primary}, nil
}

type qualifiedStream struct {
	storage.EventStream
	from *candidate
}

func (s qualifiedStream) Next(ctx context.Context) (storage.Event, error) {
	ev, err := s.EventStream.Next(ctx)
	ev.ETag = s.from.qualify(ev.ETag)
	return ev, err
}
