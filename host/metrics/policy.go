package metrics

import (
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
)

// PolicyStats are the counts of one policy. What a kind of policy does not do
// stays 0.
type PolicyStats struct {
	// CacheStats are those of a caching policy.
	CacheStats
	// Failovers counts how often the policy went on to its next child.
	Failovers uint64 `json:"failovers"`

	// The others count events; see [event.PolicyEvent].
	FillsDropped uint64 `json:"fills_dropped"`
	Quarantined  uint64 `json:"quarantined"`
	Invalidated  uint64 `json:"invalidated"`
	ServedStale  uint64 `json:"served_stale"`
	Hinted       uint64 `json:"hinted"`
	Replayed     uint64 `json:"replayed"`
	Divergences  uint64 `json:"divergences"`
	Repaired     uint64 `json:"repaired"`
	Ejections    uint64 `json:"ejections"`
	Readmitted   uint64 `json:"readmitted"`
	Dirtied      uint64 `json:"dirtied"`
	Moved        uint64 `json:"moved"`
	Collected    uint64 `json:"collected"`

	// Backlogs are what the policy owes each of its children now; empty for one
	// that keeps no account.
	Backlogs []Backlog `json:"backlogs"`
}

// Backlog is what a policy owes to one of its children.
type Backlog struct {
	// Target is the reference of the child, such as "backend.disk".
	Target  string `json:"target"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	// Oldest is when the oldest entry was made; zero without entries.
	Oldest time.Time `json:"oldest,omitzero"`
	// Dirty: entries were dropped, for the reason; the child must be repaired.
	Dirty  bool   `json:"dirty,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// age of the oldest entry.
func (b Backlog) age() time.Duration {
	if b.Oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(b.Oldest))
}

// ReadBacklogs makes r ask read, at each reading, what the policies owe their
// children, by the name of the policy.
func (r *Recorder) ReadBacklogs(read func() map[string][]Backlog) { r.backlogs.Store(&read) }

func (r *Recorder) currentBacklogs() map[string][]Backlog {
	if read := r.backlogs.Load(); read != nil {
		return (*read)()
	}
	return nil
}

func (p *policy) stats() PolicyStats {
	count := func(e event.PolicyEvent) uint64 { return p.events[e].Load() }
	return PolicyStats{
		CacheStats:   cacheStats(p.hits.Load(), p.misses.Load()),
		Failovers:    p.failovers.Load(),
		FillsDropped: count(event.FillDropped),
		Quarantined:  count(event.Quarantined),
		Invalidated:  count(event.Invalidated),
		ServedStale:  count(event.ServedStale),
		Hinted:       count(event.Hinted),
		Replayed:     count(event.Replayed),
		Divergences:  count(event.Divergence),
		Repaired:     count(event.Repaired),
		Ejections:    count(event.Ejected),
		Readmitted:   count(event.Readmitted),
		Dirtied:      count(event.Dirtied),
		Moved:        count(event.Moved),
		Collected:    count(event.Collected),
		Backlogs:     []Backlog{},
	}
}

// policyStats reads the counters of all policies and asks for their backlogs.
func (r *Recorder) policyStats() map[string]PolicyStats {
	all := make(map[string]PolicyStats)
	r.policies.entries.Range(func(name, value any) bool {
		all[name.(string)] = value.(*policy).stats()
		return true
	})
	for name, backlogs := range r.currentBacklogs() {
		stats, counted := all[name]
		if !counted {
			stats = new(policy).stats()
		}
		stats.Backlogs = backlogs
		all[name] = stats
	}
	return all
}
