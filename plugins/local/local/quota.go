package local

import (
	"context"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// recordOverhead is what an object counts against max_bytes besides its key,
// value, content type and metadata: about what its record and index entries
// take.
const recordOverhead = 256

// quota bounds what is stored and what is being staged, together, in bytes.
type quota struct {
	limit int64 // 0: no bound
	used  atomic.Int64
	// reclaim frees what nobody can see any more; it is tried once before a
	// reservation fails. It locks keys.
	reclaim func(ctx context.Context)
}

// reserve takes n bytes or fails with QuotaExceeded. No key may be locked.
func (q *quota) reserve(ctx context.Context, n int64) error {
	if q.take(n) {
		return nil
	}
	q.reclaim(ctx)
	if q.take(n) {
		return nil
	}
	return storage.Errorf(storage.CodeQuotaExceeded,
		"%d more bytes do not fit: %d of max_bytes = %d are in use; delete objects or raise max_bytes", n, q.used.Load(), q.limit)
}

func (q *quota) take(n int64) bool {
	if used := q.used.Add(n); q.limit > 0 && used > q.limit {
		q.used.Add(-n)
		return false
	}
	return true
}

func (q *quota) release(n int64) { q.used.Add(-n) }

// costOf is what an object counts without its value.
func costOf(o *storage.Object) int64 {
	n := recordOverhead + len(o.Key) + len(o.ContentType)
	for name, value := range o.Metadata {
		n += len(name) + len(value)
	}
	return int64(n)
}
