package local

import (
	"math"
	"sync/atomic"
)

// gate counts the operations inside and shuts once. Entering and leaving cost
// an atomic addition each.
type gate struct {
	// state is the number of operations inside, plus gateShut once shut.
	state atomic.Int64
	empty chan struct{}
}

const gateShut = math.MinInt64 / 2

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter reports whether the gate is open; if so, leave must follow.
func (g *gate) enter() bool {
	if g.state.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.state.Add(-1) == gateShut {
		g.signal()
	}
}

// shut closes the gate to newcomers. The channel is closed when the last
// operation has left. It must be called once.
func (g *gate) shut() <-chan struct{} {
	if g.state.Add(gateShut) == gateShut {
		g.signal()
	}
	return g.empty
}

// signal is reached more than once when a refused newcomer leaves after the
// last operation did.
func (g *gate) signal() {
	if g.state.CompareAndSwap(gateShut, 2*gateShut) {
		close(g.empty)
	}
}
