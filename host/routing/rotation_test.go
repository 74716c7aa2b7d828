package routing

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRotationIsExactOverACycle(t *testing.T) {
	for _, weights := range [][]int{{1}, {1, 1, 1}, {5, 1, 1}, {2, 3, 7, 1}} {
		r := newRotation(weights)
		cycle := 0
		for _, w := range weights {
			cycle += w
		}
		for range 3 {
			got := make([]int, len(weights))
			for range cycle {
				got[r.next(nil)]++
			}
			if !slices.Equal(got, weights) {
				t.Errorf("in a cycle the turns are %d, want %d", got, weights)
			}
		}
	}
}

func TestRotationSpreadsTurns(t *testing.T) {
	r := newRotation([]int{5, 1, 1})
	var got []int
	for range 7 {
		got = append(got, r.next(nil))
	}
	if !slices.Equal(got, []int{0, 0, 1, 0, 2, 0, 0}) {
		t.Errorf("the turns are %d", got)
	}
}

func TestRotationIsExactForConcurrentCallers(t *testing.T) {
	r := newRotation([]int{3, 1})
	var got [2]atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				got[r.next(nil)].Add(1)
			}
		})
	}
	wg.Wait()
	if a, b := got[0].Load(), got[1].Load(); a != 600 || b != 200 {
		t.Errorf("%d and %d turns, want 600 and 200", a, b)
	}
}

func TestRotationPassesOverTheSkipped(t *testing.T) {
	r := newRotation([]int{2, 1, 1})
	got := make([]int, 3)
	for range 6 {
		got[r.next(func(i int) bool { return i == 1 })]++
	}
	if !slices.Equal(got, []int{4, 0, 2}) {
		t.Errorf("the turns are %d", got)
	}
	if i := r.next(func(int) bool { return true }); i != -1 {
		t.Errorf("with all skipped it is the turn of %d", i)
	}
	for range 4 { // one that comes back has not saved its turns
		got[r.next(nil)]++
	}
	if got[1] > 2 {
		t.Errorf("one that was skipped gets %d of 4 turns", got[1])
	}
}

func TestRotationOrdersAll(t *testing.T) {
	r := newRotation([]int{1, 1, 1, 1})
	skip := func(i int) bool { return i == 1 }
	for _, want := range [][]int{{0, 2, 3, 1}, {2, 3, 0, 1}, {3, 0, 2, 1}, {0, 2, 3, 1}} {
		if got := r.order(nil, skip); !slices.Equal(got, want) {
			t.Errorf("the order is %d, want %d", got, want)
		}
	}
	if got := r.order(nil, func(int) bool { return true }); len(got) != 4 {
		t.Errorf("with all skipped the order is %d", got)
	}
}
