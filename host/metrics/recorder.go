package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxBackends is how many backends (and, apart from them, policies) a Recorder
// tells apart. Those beyond are counted together under [OtherBackends].
const (
	MaxBackends   = 1024
	OtherBackends = "(other)"
)

// Recorder counts what its Listener is told. It is safe for concurrent use and
// takes no lock on the path of an operation.
type Recorder struct {
	since    time.Time
	backends table[backend]
	policies table[policy]
	backlogs atomic.Pointer[func() map[string][]Backlog]
}

// New returns a Recorder that counts from now on.
func New() *Recorder { return &Recorder{since: time.Now()} }

// Listener returns the functions that feed r.
func (r *Recorder) Listener() event.Listener {
	return event.Listener{
		Operation:      r.operation,
		Cache:          r.cacheLook,
		Retry:          r.retry,
		Failover:       r.failover,
		Policy:         r.policyEvent,
		BreakerChanged: r.breakerChanged,
	}
}

// Forget drops what was counted for a backend that was removed.
func (r *Recorder) Forget(backend string) { r.backends.drop(backend) }

// The last slot of a table of codes is for those this package does not know.
const numCodes = int(storage.CodePermissionDenied) + 2

type backend struct {
	plugin       atomic.Pointer[string]
	ops          [event.NumOps]atomic.Pointer[operation]
	retries      atomic.Uint64
	budgetSpent  atomic.Uint64
	failovers    atomic.Uint64
	breakerState atomic.Uint32
	breakerTrips atomic.Uint64
}

type operation struct {
	ok           atomic.Uint64
	errors       [numCodes]atomic.Uint64
	bytesRead    atomic.Int64
	bytesWritten atomic.Int64
	latency      histogram
}

type policy struct {
	hits, misses atomic.Uint64 // of looks into a cache
	failovers    atomic.Uint64
	events       [event.NumPolicyEvents]atomic.Uint64
}

func (r *Recorder) operation(info event.OperationInfo) {
	if info.Op >= event.NumOps {
		return
	}
	b := r.backends.get(info.Backend)
	if info.Plugin != "" && b.plugin.Load() == nil {
		plugin := info.Plugin // a copy, so that info stays off the heap
		b.plugin.Store(&plugin)
	}
	op := b.ops[info.Op].Load()
	if op == nil {
		b.ops[info.Op].CompareAndSwap(nil, new(operation))
		op = b.ops[info.Op].Load()
	}
	if info.Err == nil {
		op.ok.Add(1)
	} else {
		op.errors[min(int(info.Code), numCodes-1)].Add(1)
	}
	op.bytesRead.Add(info.BytesRead)
	op.bytesWritten.Add(info.BytesWritten)
	op.latency.record(info.Duration)
}

func (r *Recorder) cacheLook(info event.CacheInfo) {
	p := r.policies.get(info.Policy)
	if info.Hit {
		p.hits.Add(1)
	} else {
		p.misses.Add(1)
	}
}

func (r *Recorder) retry(info event.RetryInfo) {
	b := r.backends.get(info.Backend)
	if info.BudgetSpent {
		b.budgetSpent.Add(1)
	} else {
		b.retries.Add(1)
	}
}

func (r *Recorder) failover(info event.FailoverInfo) {
	r.policies.get(info.Policy).failovers.Add(1)
	if name, isBackend := strings.CutPrefix(info.From, "backend."); isBackend {
		r.backends.get(name).failovers.Add(1)
	}
}

func (r *Recorder) policyEvent(info event.PolicyInfo) {
	if info.Event < event.NumPolicyEvents {
		r.policies.get(info.Policy).events[info.Event].Add(1)
	}
}

func (r *Recorder) breakerChanged(info event.BreakerInfo) {
	b := r.backends.get(info.Backend)
	b.breakerState.Store(uint32(info.State))
	if info.State == event.BreakerOpen {
		b.breakerTrips.Add(1)
	}
}

// table is a bounded map from names to counters.
type table[T any] struct {
	entries sync.Map // string → *T
	mu      sync.Mutex
	count   int // guarded by mu
}

func (t *table[T]) get(name string) *T {
	if v, ok := t.entries.Load(name); ok {
		return v.(*T)
	}
	return t.insert(name)
}

func (t *table[T]) insert(name string) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count >= MaxBackends {
		name = OtherBackends
	}
	v, loaded := t.entries.LoadOrStore(name, new(T))
	if !loaded {
		t.count++
	}
	return v.(*T)
}

func (t *table[T]) drop(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.entries.LoadAndDelete(name); ok {
		t.count--
	}
}
