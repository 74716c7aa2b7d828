package metrics

import (
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Stats is a reading of a Recorder. Its parts are read one after another while
// operations go on, so sums may differ by those in between.
type Stats struct {
	// Since is when counting began.
	Since time.Time `json:"since"`
	// Total sums all backends.
	Total OperationStats `json:"total"`
	// Backends by name.
	Backends map[string]BackendStats `json:"backends"`
	// Policies by name: those that did something to be counted, or keep an
	// account of what they owe.
	Policies map[string]PolicyStats `json:"policies"`
	// Caches by the name of the caching policy.
	Caches map[string]CacheStats `json:"caches"`
	// Cache sums all caches.
	Cache CacheStats `json:"cache"`
}

// BackendStats are the counts of one backend.
type BackendStats struct {
	Plugin string         `json:"plugin,omitempty"`
	Total  OperationStats `json:"total"`
	// Operations by name, such as "get"; only those that occurred.
	Operations map[string]OperationStats `json:"operations"`
	// Retries counts attempts after the first; RetriesRefused those that the
	// retry budget did not allow.
	Retries        uint64 `json:"retries"`
	RetriesRefused uint64 `json:"retries_refused"`
	// Failovers counts how often a policy went past this backend.
	Failovers uint64 `json:"failovers"`
	// Breaker is "closed", "open" or "half-open", as of its last change, and
	// BreakerTrips how often it opened.
	Breaker      string `json:"breaker"`
	BreakerTrips uint64 `json:"breaker_trips"`
}

// OperationStats are the counts of operations.
type OperationStats struct {
	// Count of all operations, whatever their end.
	Count uint64 `json:"count"`
	// Failed counts those that ended in a fault: any error but those that are
	// answers (NotFound, FailedPrecondition, Aborted, InvalidArgument,
	// OutOfRange, Unimplemented, TooLarge) and Canceled.
	Failed uint64 `json:"failed"`
	// Errors by code, answers included; only those that occurred.
	Errors map[string]uint64 `json:"errors"`
	// SuccessRate is 1 − Failed/Count, and 1 before the first operation.
	SuccessRate  float64 `json:"success_rate"`
	BytesRead    int64   `json:"bytes_read"`
	BytesWritten int64   `json:"bytes_written"`
	Latency      Latency `json:"latency"`
}

// Latency holds quantiles of the durations, in nanoseconds, each within one
// sixteenth of the true value; Max and Mean are exact.
type Latency struct {
	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	Max  time.Duration `json:"max_ns"`
}

// CacheStats are the counts of one cache.
type CacheStats struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	// HitRate is Hits/(Hits+Misses), and 0 before the first look.
	HitRate float64 `json:"hit_rate"`
}

// IsFault reports whether an operation that ended with code failed, rather
// than being answered or given up by its caller.
func IsFault(code storage.Code) bool {
	switch code {
	case storage.CodeNotFound, storage.CodeFailedPrecondition, storage.CodeAborted, storage.CodeInvalidArgument,
		storage.CodeOutOfRange, storage.CodeUnimplemented, storage.CodeTooLarge, storage.CodeCanceled:
		return false
	default:
		return true
	}
}

// Snapshot reads all counters. The caller owns the result.
func (r *Recorder) Snapshot() Stats {
	s := Stats{Since: r.since, Backends: map[string]BackendStats{}, Policies: r.policyStats(), Caches: map[string]CacheStats{}}
	var all tally
	r.backends.entries.Range(func(name, value any) bool {
		b := value.(*backend)
		stats := BackendStats{
			Operations:     map[string]OperationStats{},
			Retries:        b.retries.Load(),
			RetriesRefused: b.budgetSpent.Load(),
			Failovers:      b.failovers.Load(),
			Breaker:        event.BreakerState(b.breakerState.Load()).String(),
			BreakerTrips:   b.breakerTrips.Load(),
		}
		if p := b.plugin.Load(); p != nil {
			stats.Plugin = *p
		}
		var total tally
		for op := range event.NumOps {
			counted := b.ops[op].Load()
			if counted == nil {
				continue
			}
			var one tally
			one.add(counted)
			total.add(counted)
			all.add(counted)
			stats.Operations[op.String()] = one.stats()
		}
		stats.Total = total.stats()
		s.Backends[name.(string)] = stats
		return true
	})
	s.Total = all.stats()
	for name, p := range s.Policies {
		if p.Hits+p.Misses > 0 {
			s.Caches[name] = p.CacheStats
			s.Cache = cacheStats(s.Cache.Hits+p.Hits, s.Cache.Misses+p.Misses)
		}
	}
	return s
}

func cacheStats(hits, misses uint64) CacheStats {
	c := CacheStats{Hits: hits, Misses: misses}
	if hits+misses > 0 {
		c.HitRate = float64(hits) / float64(hits+misses)
	}
	return c
}

// tally adds up operations.
type tally struct {
	ok                      uint64
	errors                  [numCodes]uint64
	bytesRead, bytesWritten int64
	latency                 counts
}

func (t *tally) add(op *operation) {
	t.ok += op.ok.Load()
	for code := range op.errors {
		t.errors[code] += op.errors[code].Load()
	}
	t.bytesRead += op.bytesRead.Load()
	t.bytesWritten += op.bytesWritten.Load()
	t.latency.add(&op.latency)
}

func (t *tally) stats() OperationStats {
	s := OperationStats{
		Count:        t.ok,
		Errors:       map[string]uint64{},
		SuccessRate:  1,
		BytesRead:    t.bytesRead,
		BytesWritten: t.bytesWritten,
		Latency: Latency{
			P50: t.latency.quantile(0.50),
			P90: t.latency.quantile(0.90),
			P99: t.latency.quantile(0.99),
			Max: t.latency.highest,
		},
	}
	for i, n := range t.errors {
		if n == 0 {
			continue
		}
		s.Count += n
		s.Errors[storage.Code(i).String()] = n
		if IsFault(storage.Code(i)) {
			s.Failed += n
		}
	}
	if s.Count > 0 {
		s.SuccessRate = 1 - float64(s.Failed)/float64(s.Count)
	}
	if t.latency.total > 0 {
		s.Latency.Mean = t.latency.sum / time.Duration(t.latency.total)
	}
	return s
}
