package storage

import "time"

// Capabilities says what a backend can do. The zero value is a backend with
// the seven mandatory methods and nothing else.
type Capabilities struct {
	// ConditionalPut and ConditionalDelete: conditions are evaluated
	// atomically with the commit. Never emulated.
	ConditionalPut    bool
	ConditionalDelete bool
	// TTL: objects expire, invisibly and at once. Never emulated.
	TTL bool
	// Batch: Batcher is implemented, and one call is cheaper than many.
	Batch bool
	// AtomicBatch: a batch with Atomic set is applied wholly or not at all.
	AtomicBatch bool
	// Watch: Watcher is implemented. WatchLatency is how late events may be
	// in normal operation; 0 means as they happen.
	Watch        bool
	WatchLatency time.Duration
	// Transactions: Transactor is implemented.
	Transactions bool
	// Copy: Copier is implemented, and the bytes stay inside the backend.
	Copy bool
	// HealthCheck: HealthChecker is implemented.
	HealthCheck bool
	// Durable: an acknowledged write survives the crash of the process and
	// of the machine.
	Durable bool
	// Exclusive: two open instances of the backend over the same data cannot
	// coexist (it locks a directory, say), so a successor can be opened only
	// after the predecessor was closed.
	Exclusive bool
	// Consistency is the set of levels the backend gives on request.
	Consistency ConsistencySet
	// MaxValueSize is the largest value in bytes; 0 means no limit of its own.
	MaxValueSize int64
}

// Intersect returns what holds for both backends: the capabilities of a store
// that needs each of them for every operation.
func (c Capabilities) Intersect(d Capabilities) Capabilities {
	limit := min(c.MaxValueSize, d.MaxValueSize)
	if limit == 0 {
		limit = max(c.MaxValueSize, d.MaxValueSize)
	}
	return Capabilities{
		ConditionalPut:    c.ConditionalPut && d.ConditionalPut,
		ConditionalDelete: c.ConditionalDelete && d.ConditionalDelete,
		TTL:               c.TTL && d.TTL,
		Batch:             c.Batch && d.Batch,
		AtomicBatch:       c.AtomicBatch && d.AtomicBatch,
		Watch:             c.Watch && d.Watch,
		WatchLatency:      max(c.WatchLatency, d.WatchLatency),
		Transactions:      c.Transactions && d.Transactions,
		Copy:              c.Copy && d.Copy,
		HealthCheck:       c.HealthCheck && d.HealthCheck,
		Durable:           c.Durable && d.Durable,
		Exclusive:         c.Exclusive || d.Exclusive,
		Consistency:       c.Consistency & d.Consistency,
		MaxValueSize:      limit,
	}
}
