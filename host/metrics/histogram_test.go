package metrics

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsCoverAllDurationsWithoutGap(t *testing.T) {
	for i := range numBuckets - 1 {
		last, next := upperBound(i)-1, upperBound(i)
		if got := bucketOf(last); got != i {
			t.Fatalf("%d ns falls into bucket %d, want %d", last, got, i)
		}
		if got := bucketOf(next); got != i+1 {
			t.Fatalf("%d ns falls into bucket %d, want %d", next, got, i+1)
		}
	}
	if got := bucketOf(math.MaxInt64); got != numBuckets-1 {
		t.Errorf("the longest duration falls into bucket %d, want the last", got)
	}
}

func TestQuantilesAreWithinOneSixteenth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(1<<lowestPower, 1<<highestPower-1), 1, 200).Draw(t, "durations")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		var h histogram
		for _, v := range values {
			h.record(time.Duration(v))
		}
		var c counts
		c.add(&h)
		got := c.quantile(q)
		atMost, below := 0, 0
		for _, v := range values {
			if time.Duration(v) <= got {
				atMost++
			}
			if float64(v) <= float64(got)*15/16 {
				below++
			}
		}
		want := int(math.Ceil(q * float64(len(values))))
		if atMost < want {
			t.Fatalf("only %d of %d values are at most %v, want %d", atMost, len(values), got, want)
		}
		if below >= want && got != c.highest {
			t.Fatalf("%v is more than a sixteenth above the true quantile", got)
		}
	})
}

func TestMeanAndMaxAreExact(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{time.Millisecond, 3 * time.Millisecond, 11 * time.Millisecond} {
		h.record(d)
	}
	var c counts
	c.add(&h)
	if c.highest != 11*time.Millisecond || c.sum != 15*time.Millisecond {
		t.Errorf("highest %v and sum %v, want 11ms and 15ms", c.highest, c.sum)
	}
}
