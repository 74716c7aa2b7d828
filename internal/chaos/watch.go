package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// watch reads the status of one host after another while they run.
type watch struct {
	mu    sync.Mutex
	peaks map[string]backlog // by replica: the most entries, and whether it was dirty
	last  map[*host]counters // what each counted when it was seen last
}

const watchInterval = 200 * time.Millisecond

// follow watches until ctx ends.
func (w *watch) follow(ctx context.Context, r *run) {
	for ctx.Err() == nil {
		if h := r.current(); h != nil {
			if s, err := h.status(ctx); err == nil {
				w.note(h, s)
			}
		}
		timer := time.NewTimer(watchInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (w *watch) note(h *host, s *status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last, w.peaks = make(map[*host]counters), make(map[string]backlog)
	}
	w.last[h] = s.Stats.Policies[policyName]
	for _, b := range s.backlogs() {
		peak := w.peaks[b.Target]
		peak.Entries, peak.Dirty = max(peak.Entries, b.Entries), peak.Dirty || b.Dirty
		w.peaks[b.Target] = peak
	}
}

// total adds up what all hosts counted. What one counted in its last moments
// before it was killed is lost.
func (w *watch) total() (sum counters) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.last {
		sum.Failovers += c.Failovers
		sum.Hinted += c.Hinted
		sum.Replayed += c.Replayed
		sum.Divergences += c.Divergences
		sum.Repaired += c.Repaired
		sum.Ejections += c.Ejections
		sum.Dirtied += c.Dirtied
	}
	return sum
}

// settled reports whether all backends serve and no replica is owed anything.
func (s *status) settled() (why string, ok bool) {
	if why, ok := s.serving(); !ok {
		return why, false
	}
	owed := s.backlogs()
	if len(owed) != len(replicas()) {
		return fmt.Sprintf("the status shows %d backlogs", len(owed)), false
	}
	for _, b := range owed {
		if b.Entries > 0 || b.Dirty {
			return fmt.Sprintf("%s is owed %d entries, dirty: %t %s", b.Target, b.Entries, b.Dirty, b.Reason), false
		}
	}
	return "", true
}
