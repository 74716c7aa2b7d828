package layer

import (
	"sync/atomic"
	"time"
)

// Figures of a [Budget].
const (
	// BudgetShare is how much of the traffic may be retries.
	BudgetShare = 0.2
	// BudgetReserve is how many retries may be saved up in quiet times, and
	// how many there are at the beginning.
	BudgetReserve = 100
	// BudgetFloor is how often one retry is allowed whatever the traffic, so
	// that a host with little to do can retry too.
	BudgetFloor = time.Second
)

// Budget bounds the retries of a whole host to a share of its operations, so
// that a backend in trouble is not buried under repetitions. Each operation
// earns a fifth of a retry. It counts operations rather than those in flight:
// callers that wait for their next attempt would otherwise entitle each other
// to more of them.
//
// One Budget is shared by all retry layers. It is safe for concurrent use.
type Budget struct {
	start  time.Time
	tokens atomic.Int64 // thousandths of a retry
	floor  atomic.Int64 // when, after start, the floor was last used
}

const wholeToken = 1000

// NewBudget returns a budget with a full reserve.
func NewBudget() *Budget {
	b := &Budget{start: time.Now()}
	b.tokens.Store(BudgetReserve * wholeToken)
	return b
}

// earn is called for each operation.
func (b *Budget) earn() {
	if b.tokens.Load() < BudgetReserve*wholeToken {
		b.tokens.Add(BudgetShare * wholeToken)
	}
}

// spend reports whether one more retry is allowed.
func (b *Budget) spend() bool {
	for {
		n := b.tokens.Load()
		if n < wholeToken {
			break
		}
		if b.tokens.CompareAndSwap(n, n-wholeToken) {
			return true
		}
	}
	now, last := int64(time.Since(b.start)), b.floor.Load()
	return now-last >= int64(BudgetFloor) && b.floor.CompareAndSwap(last, now)
}
