package metrics

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets whose width grows with the value:
// each power of two from 1 µs (2^10 ns) to 73 min (2^42 ns) is cut in 16, so a
// quantile is off by at most one sixteenth. Below and above are one bucket
// each.
const (
	lowestPower  = 10
	highestPower = 42
	cutsLog2     = 4
	cuts         = 1 << cutsLog2
	numBuckets   = (highestPower-lowestPower)*cuts + 2
)

type histogram struct {
	buckets [numBuckets]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
	highest atomic.Int64 // nanoseconds
}

func bucketOf(nanos int64) int {
	if nanos < 1<<lowestPower {
		return 0
	}
	power := bits.Len64(uint64(nanos)) - 1
	if power >= highestPower {
		return numBuckets - 1
	}
	cut := int(nanos>>(power-cutsLog2)) & (cuts - 1)
	return 1 + (power-lowestPower)*cuts + cut
}

// upperBound is the first duration, in nanoseconds, past bucket i.
func upperBound(i int) int64 {
	switch i {
	case 0:
		return 1 << lowestPower
	case numBuckets - 1:
		return math.MaxInt64
	}
	power, cut := lowestPower+(i-1)/cuts, int64((i-1)%cuts)
	return 1<<power + (cut+1)<<(power-cutsLog2)
}

func (h *histogram) record(d time.Duration) {
	nanos := max(0, d.Nanoseconds())
	h.buckets[bucketOf(nanos)].Add(1)
	h.sum.Add(nanos)
	for {
		highest := h.highest.Load()
		if nanos <= highest || h.highest.CompareAndSwap(highest, nanos) {
			return
		}
	}
}

// counts is a reading of a histogram. Readings of several histograms can be
// added.
type counts struct {
	buckets [numBuckets]uint64
	total   uint64
	sum     time.Duration
	highest time.Duration
}

func (c *counts) add(h *histogram) {
	for i := range h.buckets {
		n := h.buckets[i].Load()
		c.buckets[i] += n
		c.total += n
	}
	c.sum += time.Duration(h.sum.Load())
	c.highest = max(c.highest, time.Duration(h.highest.Load()))
}

// quantile returns a duration that a share q of all did not exceed, to one
// sixteenth; 0 if there are none.
func (c *counts) quantile(q float64) time.Duration {
	if c.total == 0 {
		return 0
	}
	rank := max(1, uint64(math.Ceil(q*float64(c.total))))
	seen := uint64(0)
	for i, n := range c.buckets {
		if seen += n; seen >= rank {
			return min(time.Duration(upperBound(i)), c.highest)
		}
	}
	return c.highest
}
