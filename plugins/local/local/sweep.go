package local

import (
	"context"
	"time"
)

// defaultSweepInterval is how often expired objects are removed. They are
// invisible before.
const defaultSweepInterval = 30 * time.Second

// sweepBatch is how many expired objects are removed in one commit.
const sweepBatch = 64

func (s *store) sweepEvery(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.sweep(ctx)
			s.maintain(ctx)
		}
	}
}

func (s *store) maintain(ctx context.Context) {
	if s.gate.enter() {
		defer s.gate.leave()
		s.engine.maintain(ctx)
	}
}

// sweep removes all objects that have expired.
func (s *store) sweep(ctx context.Context) {
	if !s.gate.enter() {
		return
	}
	defer s.gate.leave()
	for ctx.Err() == nil {
		keys, err := s.engine.expired(s.now(), sweepBatch)
		if err == nil && len(keys) > 0 {
			err = s.remove(ctx, keys)
		}
		if err != nil && ctx.Err() == nil {
			s.logger.Warn("expired objects could not be removed", "error", err)
		}
		if err != nil || len(keys) < sweepBatch {
			return
		}
	}
}

// remove deletes those of keys that are expired still.
func (s *store) remove(ctx context.Context, keys []string) error {
	release, err := s.keys.lockAll(ctx, keys)
	if err != nil {
		return err
	}
	defer release()
	var c commit
	now := s.now()
	for _, key := range keys {
		r, err := s.engine.lookup(key)
		if err != nil {
			return err
		}
		if r != nil && r.live(now) == nil {
			c.add(change{key: key, old: r})
		}
	}
	if c.empty() {
		return nil
	}
	return s.apply(ctx, &commitPoint{}, &c)
}
