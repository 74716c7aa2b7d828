package event

import (
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Op names an operation of the storage contract.
type Op uint8

// The operations.
const (
	OpGet Op = iota
	OpPut
	OpStat
	OpDelete
	OpList
	OpBatch
	OpCommit
	OpCopy
	OpWatch
	OpHealth
	// NumOps is how many there are, for tables indexed by Op.
	NumOps
)

// String returns the name that storage.Error.Op has: "get", "put" and so on.
func (o Op) String() string {
	names := [NumOps]string{"get", "put", "stat", "delete", "list", "batch", "commit", "copy", "watch", "health"}
	if o >= NumOps {
		return "unknown"
	}
	return names[o]
}

// OperationInfo describes an operation that ended.
type OperationInfo struct {
	Backend string
	Plugin  string
	Op      Op
	// Key of the operation; empty for list, batch, commit, watch and health.
	Key string
	// Duration from the call to the end: for get and watch, to the end of the
	// stream.
	Duration time.Duration
	// BytesRead and BytesWritten count bytes of values that moved.
	BytesRead    int64
	BytesWritten int64
	// Err is nil if the operation succeeded. A stream that its caller closed
	// before the end succeeded.
	Err error
	// Code is that of Err and means nothing without one.
	Code storage.Code
}

// CacheInfo describes a look into a cache.
type CacheInfo struct {
	// Policy is the name of the caching policy, Op the operation that asked.
	Policy string
	Op     Op
	Hit    bool
}

// RetryInfo describes an operation that failed and may be tried again.
type RetryInfo struct {
	Backend string
	Op      Op
	// Attempt that failed, counted from 1.
	Attempt int
	// Delay before the next attempt; 0 if there is none.
	Delay time.Duration
	// BudgetSpent: the operation is not tried again, though it could have been,
	// because too much of the traffic is retries already.
	BudgetSpent bool
	// Err is why the attempt failed.
	Err error
}

// FailoverInfo describes a policy's step from one child to the next.
type FailoverInfo struct {
	Policy string
	Op     Op
	// From failed with Err, or was passed over for the reason that Err gives;
	// To is asked next.
	From, To string
	Err      error
}
