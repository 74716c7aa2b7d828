package routing

import "sync"

// rotation gives the indices of its weights in turn: smooth weighted round
// robin. In a cycle, as many turns as the weights have in sum, each index comes
// as often as its weight says, and spread out. It is safe for concurrent use.
type rotation struct {
	weights []int

	mu  sync.Mutex
	due []int // how much each is owed
}

func newRotation(weights []int) *rotation {
	return &rotation{weights: weights, due: make([]int, len(weights))}
}

// next returns the index whose turn it is among those that skip does not name,
// or -1. Those that are skipped do not save their turns. nil skips nobody.
func (r *rotation) next(skip func(i int) bool) int {
	var few [16]bool
	return r.turn(r.skipped(few[:0], skip))
}

// order appends all indices to into: the one whose turn it is, those that follow
// it, and at the end those that skip names.
func (r *rotation) order(into []int, skip func(i int) bool) []int {
	var few [16]bool
	skipped := r.skipped(few[:0], skip)
	first := max(r.turn(skipped), 0)
	for _, last := range []bool{false, true} {
		for k := range skipped {
			if i := (first + k) % len(skipped); skipped[i] == last {
				into = append(into, i)
			}
		}
	}
	return into
}

func (r *rotation) skipped(all []bool, skip func(i int) bool) []bool {
	for i := range r.weights {
		all = append(all, skip != nil && skip(i))
	}
	return all
}

func (r *rotation) turn(skipped []bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	best, sum := -1, 0
	for i, w := range r.weights {
		if skipped[i] {
			continue
		}
		r.due[i] += w
		sum += w
		if best < 0 || r.due[i] > r.due[best] {
			best = i
		}
	}
	if best >= 0 {
		r.due[best] -= sum
	}
	return best
}
