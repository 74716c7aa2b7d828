package main

import (
	"sync"
	"time"
)

// The kinds of operations.
const (
	kindPut         = "put"
	kindConditional = "conditional put"
	kindDelete      = "delete"
	kindGet         = "get"
	kindStrongGet   = "strong get"
	kindList        = "list"
)

func kinds() []string {
	return []string{kindPut, kindConditional, kindDelete, kindGet, kindStrongGet, kindList}
}

// result is how an operation ended.
type result uint8

const (
	answered    result = iota // as it should, a refused condition and NotFound among it
	unavailable               // it did not happen
	lost                      // it may have happened
)

// counts are of operations of one kind.
type counts struct {
	results [3]int
	slowest time.Duration
	// outage is the longest time from one success to the next during which
	// something failed.
	outage time.Duration

	success time.Time // the last
	failing bool      // since then
}

// tally counts operations. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	kinds map[string]*counts
}

func newTally() *tally {
	t := &tally{kinds: make(map[string]*counts)}
	for _, k := range kinds() {
		t.kinds[k] = &counts{success: time.Now()}
	}
	return t
}

// begin begins an operation; what it returns is called at its end, and reports
// whether it was answered.
func (t *tally) begin(kind string) func(result) bool {
	began := time.Now()
	return func(r result) bool {
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		c := t.kinds[kind]
		c.results[r]++
		c.slowest = max(c.slowest, now.Sub(began))
		if r != answered {
			c.failing = true
			return false
		}
		if c.failing {
			c.outage = max(c.outage, now.Sub(c.success))
		}
		c.failing, c.success = false, now
		return true
	}
}

// read returns the counts of a kind.
func (t *tally) read(kind string) counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.kinds[kind]
}
