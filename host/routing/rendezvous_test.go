package routing

import (
	"fmt"
	"math"
	"testing"
)

const fixedKeys = 60_000

func ownersOf(names []string, weights ...float64) []string {
	r := newRendezvous(names, weights)
	owners := make([]string, fixedKeys)
	for i := range owners {
		owners[i] = names[r.owner(fmt.Sprintf("models/%d/weights.bin", i))]
	}
	return owners
}

func TestRendezvousFollowsTheWeights(t *testing.T) {
	names := []string{"backend.a", "backend.b", "backend.c", "policy.d"}
	for _, weights := range [][]float64{{1, 1, 1, 1}, {1, 2, 3, 4}, {0.5, 0.5, 8, 1}} {
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		got := map[string]int{}
		for _, owner := range ownersOf(names, weights...) {
			got[owner]++
		}
		for i, name := range names {
			want := fixedKeys * weights[i] / sum
			if off := math.Abs(float64(got[name])-want) / math.Sqrt(want); off > 4 {
				t.Errorf("weights %v: %s has %d keys, want about %.0f", weights, name, got[name], want)
			}
		}
	}
}

func TestRendezvousMovesNoMoreThanItMust(t *testing.T) {
	before := ownersOf([]string{"backend.a", "backend.b", "backend.c"}, 1, 2, 1)
	after := ownersOf([]string{"backend.d", "backend.c", "backend.a", "backend.b"}, 1, 1, 1, 2)
	heavier := ownersOf([]string{"backend.a", "backend.b", "backend.c"}, 1, 3, 1)
	moved := 0
	for i := range before {
		switch after[i] {
		case before[i]:
		case "backend.d":
			moved++
		default:
			t.Fatalf("with a new name a key moved from %s to %s", before[i], after[i])
		}
		if heavier[i] != before[i] && heavier[i] != "backend.b" {
			t.Fatalf("with more weight for backend.b a key moved from %s to %s", before[i], heavier[i])
		}
	}
	if want := fixedKeys / 5; math.Abs(float64(moved-want)) > 4*math.Sqrt(float64(want)) {
		t.Errorf("the new name took %d keys, want about %d", moved, want)
	}
}

// Objects are where the owners of their keys are, so these must never change.
func TestRendezvousOwnersAreForEver(t *testing.T) {
	r := newRendezvous([]string{"backend.a", "backend.b", "backend.c"}, []float64{1, 2, 3})
	got := ""
	for i := range 40 {
		got += string("abc"[r.owner(fmt.Sprint("key-", i))])
	}
	if want := "ccccbabccbcbccbbbcaabccbbbccbbbcbcbbbcaa"; got != want {
		t.Errorf("the owners are %s, want %s", got, want)
	}
}
