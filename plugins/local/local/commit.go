package local

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// commitGrace is how long a caller whose context has ended waits for a commit
// that can no longer be called off, to learn how it went.
const commitGrace = 100 * time.Millisecond

// commitPoint is where a write can no longer be called off: either its caller
// gives it up before, or the commit begins.
type commitPoint struct{ taken atomic.Bool }

// take reports whether the taker came first.
func (p *commitPoint) take() bool { return p.taken.CompareAndSwap(false, true) }

// commitWith runs write, which locks, evaluates and commits through apply, and
// discards those of values that were not committed.
//
// The caller gets its answer when ctx ends, also if the disk gives none: a
// write that has not reached its commit point is called off; any other goes on
// with its locks, and its outcome is unknown. So write must not touch what
// belongs to the caller.
func commitWith[T any](ctx context.Context, s *store, values []*staged, write func(*commitPoint) (T, error)) (T, error) {
	var none T
	if !s.gate.enter() {
		s.discard(values)
		return none, errClosed()
	}
	point := &commitPoint{}
	run := func() (T, error) {
		defer s.gate.leave()
		result, err := write(point)
		if err == nil || !storage.AsError(err).OutcomeUnknown {
			s.discard(values)
		}
		return result, err
	}
	if s.engine.failed() == nil { // in memory, where nothing hangs
		return run()
	}
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	s.work.Go(func() {
		result, err := run()
		done <- outcome{result, err}
	})
	var cause error
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		cause = ctx.Err()
	case <-s.engine.failed():
		cause = s.engine.health()
	}
	if point.take() {
		return none, storage.AsError(cause)
	}
	grace := time.NewTimer(commitGrace)
	defer grace.Stop()
	select {
	case o := <-done:
		return o.result, o.err
	case <-grace.C:
		err := storage.AsError(cause)
		err.OutcomeUnknown = true
		return none, err
	}
}

// apply commits c, whose keys are locked, and frees what it replaces.
func (s *store) apply(ctx context.Context, point *commitPoint, c *commit) error {
	if err := ctx.Err(); err != nil {
		return storage.AsError(err)
	}
	if !point.take() {
		return storage.Errorf(storage.CodeCanceled, "the caller gave up")
	}
	s.log.begin(c)
	err := s.engine.commit(c)
	s.log.end(c, err != nil)
	if err != nil {
		return err
	}
	for _, ch := range c.changes {
		if ch.value != nil {
			ch.value.committed = true
		}
		if ch.old != nil {
			s.engine.release(ch.old)
			s.quota.release(ch.old.cost())
		}
	}
	return nil
}

// discard frees those of values that were not committed.
func (s *store) discard(values []*staged) {
	for _, v := range values {
		if v != nil && !v.committed {
			s.engine.discard(v)
			s.quota.release(v.reserved)
		}
	}
}
