package storetest

import (
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// FaultKind names what can happen to an operation.
type FaultKind uint8

// The kinds of faults.
const (
	// FailBefore: it fails and has not happened.
	FailBefore FaultKind = iota + 1
	// LoseAnswer: it is done, and the answer is an error. The outcome of a write
	// is unknown.
	LoseAnswer
	// Late: the answer is an error, and a write lands some time later: at the
	// latest before the next one to its key. For reads as FailBefore.
	Late
	// Vanish: as Late, but the write never lands.
	Vanish
	// BreakBody: the value of a Get ends half way in an error. For other
	// operations as FailBefore.
	BreakBody
)

// String returns the name of the kind.
func (k FaultKind) String() string {
	names := []string{"", "fail before", "lose answer", "late", "vanish", "break body"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Fault is one that will happen once, to the next operation it fits.
type Fault struct {
	Kind FaultKind
	// Op and Key restrict it: "get", "put", "stat", "delete", "list"; empty means
	// any.
	Op, Key string
	// Code of the error. The zero Code means Unavailable.
	Code storage.Code
}

func (f Fault) code() storage.Code {
	if f.Code == 0 {
		return storage.CodeUnavailable
	}
	return f.Code
}

// Chances are the probabilities, 0 to 1, with which faults happen to every
// operation.
type Chances struct {
	FailBefore, LoseAnswer, Late, Vanish, BreakBody float64
}

// Even returns chances of p in all, evenly divided.
func Even(p float64) Chances { return Chances{p / 5, p / 5, p / 5, p / 5, p / 5} }

// Inject has faults happen, in their order.
func (c *Child) Inject(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, faults...)
}

// SetChances has faults happen at random from now on.
func (c *Child) SetChances(p Chances) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chances = p
}

// Faulty reports whether the child is down, hangs, or has faults to come.
func (c *Child) Faulty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down || c.hung != nil || len(c.faults) > 0 || c.chances != Chances{}
}

// fault is what happens to an operation. The caller holds mu.
func (c *Child) fault(op, key string) Fault {
	fits := func(f Fault) bool { return (f.Op == "" || f.Op == op) && (f.Key == "" || f.Key == key) }
	if i := slices.IndexFunc(c.faults, fits); i >= 0 {
		f := c.faults[i]
		c.faults = slices.Delete(c.faults, i, i+1)
		return f
	}
	if (c.chances == Chances{}) {
		return Fault{}
	}
	dice := c.rng.Float64()
	for _, p := range []struct {
		kind FaultKind
		p    float64
	}{
		{FailBefore, c.chances.FailBefore},
		{LoseAnswer, c.chances.LoseAnswer},
		{Late, c.chances.Late},
		{Vanish, c.chances.Vanish},
		{BreakBody, c.chances.BreakBody},
	} {
		if dice < p.p {
			codes := []storage.Code{storage.CodeUnavailable, storage.CodeDeadlineExceeded, storage.CodeThrottled, storage.CodeInternal}
			return Fault{Kind: p.kind, Code: codes[c.rng.IntN(len(codes))]}
		}
		dice -= p.p
	}
	return Fault{}
}
