package routing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// sighting is what the children say of a key.
type sighting struct {
	policy string
	copies []copyAt  // the newest first
	failed []failure // children that did not answer
	skew   error     // a copy's version cannot be followed
}

type copyAt struct {
	child    int
	object   storage.Object // with the child's own etag
	stamp    stamp
	standing standing
}

type failure struct {
	child int
	err   error
}

// find asks all children for key, and remembers where the newest copy is.
func (p *placed) find(ctx context.Context, key string, level storage.Consistency, session *storage.Session) *sighting {
	return p.look(ctx, key, level, session, func(*marked) error { return nil })
}

// settle is find for who is about to write: no earlier put lands any more at a
// child that answers. The caller has the key's turn.
func (p *placed) settle(ctx context.Context, key string, session *storage.Session) *sighting {
	return p.look(ctx, key, storage.ConsistencyDefault, session, func(c *marked) error {
		if p.debts.any(c, key) {
			return fence(ctx, c.child.Store, key)
		}
		return nil
	})
}

// look asks all children for key, each after first.
func (p *placed) look(ctx context.Context, key string, level storage.Consistency, session *storage.Session, first func(*marked) error) *sighting {
	objects := make([]storage.Object, len(p.children))
	errs := make([]error, len(p.children))
	var wg sync.WaitGroup
	for i, c := range p.children {
		wg.Go(func() {
			if errs[i] = first(c); errs[i] == nil {
				objects[i], errs[i] = c.child.Store.Stat(ctx, key, storage.StatOptions{Consistency: level, Session: session})
			}
		})
	}
	wg.Wait()
	s := &sighting{policy: p.policy}
	for i, err := range errs {
		switch {
		case err == nil:
			at := stateOf(objects[i]).stamp
			s.skew = errors.Join(s.skew, p.clock.Observe(at.version))
			s.copies = append(s.copies, copyAt{i, objects[i], at, p.debts.standing(p.children[i], key, at)})
		case storage.CodeOf(err) != storage.CodeNotFound:
			s.failed = append(s.failed, failure{i, p.failed(ctx, p.children[i], err, "", key)})
		}
	}
	slices.SortStableFunc(s.copies, func(a, b copyAt) int { return b.stamp.compare(a.stamp) })
	newest := s.newest()
	if newest != nil && newest.standing == alive && len(s.failed) == 0 {
		p.owners.set(key, newest.child, newest.stamp.version)
	}
	for i := range s.copies {
		if c := &s.copies[i]; c != newest && c.standing == alive {
			p.tell(event.Divergence, c.child, key, nil)
		}
	}
	return s
}

// newest returns the newest copy that is not dead, or nil.
func (s *sighting) newest() *copyAt {
	if i := slices.IndexFunc(s.copies, func(c copyAt) bool { return c.standing != dead }); i >= 0 {
		return &s.copies[i]
	}
	return nil
}

// current returns the copy that counts, or nil if no child has the key. A child
// that did not answer makes that unknown, unless a copy was found that is this
// host's last and the level asks for no more; with Eventual any copy will do.
func (s *sighting) current(ctx context.Context, level storage.Consistency) (*copyAt, error) {
	newest := s.newest()
	switch {
	case len(s.failed) == 0, newest != nil && level == storage.ConsistencyEventual:
		return newest, nil
	case newest != nil && newest.standing == alive && level == storage.ConsistencyDefault:
		return newest, nil
	default:
		return nil, s.unknown(ctx)
	}
}

// unknown is the error of a key of which some child did not tell.
func (s *sighting) unknown(ctx context.Context) error {
	failures := make([]error, len(s.failed))
	for i, f := range s.failed {
		if !failsOver(ctx, f.err) {
			return f.err // it is about the request, or about how the child is configured
		}
		failures[i] = f.err
	}
	return unavailable(fmt.Sprintf("policy %q: the object could be where nobody answers", s.policy), failures)
}

// unavailable is the error of who cannot do without those that failed.
func unavailable(why string, failures []error) error {
	err := storage.Errorf(storage.CodeUnavailable, "%s: %w", why, errors.Join(failures...))
	for _, f := range failures {
		if e := storage.AsError(f); e.RetryAfter > 0 && (err.RetryAfter == 0 || e.RetryAfter < err.RetryAfter) {
			err.RetryAfter = e.RetryAfter
		}
	}
	return err
}

// of returns the copy at child, or nil.
func (s *sighting) of(child int) *copyAt {
	if i := slices.IndexFunc(s.copies, func(c copyAt) bool { return c.child == child }); i >= 0 {
		return &s.copies[i]
	}
	return nil
}
