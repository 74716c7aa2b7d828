package routing

import (
	"context"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// question is a read that may fail over.
type question struct {
	op    event.Op
	key   string
	level storage.Consistency
	match string // the etag it is pinned to, or ""
}

// anyone reports whether a read at this level may be answered by another child
// than the primary.
func anyone(level storage.Consistency) bool {
	return level == storage.ConsistencyDefault || level == storage.ConsistencyEventual
}

// failsOver reports whether err says that the child cannot answer, rather than
// being an answer or the end of the caller's patience.
func failsOver(ctx context.Context, err error) bool {
	return ctx.Err() == nil && storage.CodeOf(err).Unhealthy()
}

// read asks the candidates in their order until one answers; those passed over
// are asked last.
func (p *firstAvailable) read(ctx context.Context, q question, ask func(*candidate) error) error {
	if !anyone(q.level) {
		err := ask(p.primary)
		p.primary.report(ctx, false, err)
		if err != nil {
			return p.primary.failed(ctx, err, q.op.String(), q.key)
		}
		return nil
	}
	var failures []error
	var passed []*candidate
	from := p.primary
	try := func(c *candidate, canary bool) (answered bool, err error) {
		if len(failures) > 0 && c != from {
			p.listener.Failover(event.FailoverInfo{
				Policy: p.name, Op: q.op, From: from.child.Name, To: c.child.Name, Err: failures[len(failures)-1],
			})
		}
		from = c
		err = ask(c)
		c.report(ctx, canary, err)
		switch {
		case err == nil:
			return true, nil
		case failsOver(ctx, err):
			failures = append(failures, c.failed(ctx, err, q.op.String(), q.key))
			return false, nil
		case c != p.primary && p.others(c, q, err):
			failures = append(failures, notAuthoritative(c))
			return false, nil
		default:
			return true, c.failed(ctx, err, q.op.String(), q.key)
		}
	}
	for _, c := range p.order {
		admitted, canary, info := c.admit()
		if !admitted {
			failures = append(failures, passedOver(c, info))
			if from = c; info.State != event.BreakerOpen {
				passed = append(passed, c)
			}
			continue
		}
		if answered, err := try(c, canary); answered {
			return err
		}
	}
	for _, c := range passed {
		if answered, err := try(c, false); answered {
			return err
		}
	}
	return p.unavailable(q.op, q.key, failures)
}

// others reports whether err, an answer of a child after the primary, says
// nothing about the primary, which did not answer: that the key is missing, or
// that it has not the etag that is one of a child before.
func (p *firstAvailable) others(c *candidate, q question, err error) bool {
	switch storage.CodeOf(err) {
	case storage.CodeNotFound:
		return true
	case storage.CodeFailedPrecondition:
		for _, before := range p.order[:c.index] {
			if before.owns(q.match) {
				return true
			}
		}
	}
	return false
}
