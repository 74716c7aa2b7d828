package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// weigh returns the weight of each of refs: what weights says of the reference,
// or of the name in it, else 1. The error names the entry at fault.
func weigh[N int | float64](refs []string, weights map[string]N) (of []N, entry string, err error) {
	of = make([]N, len(refs))
	for i := range of {
		of[i] = 1
	}
	given := make([]string, len(refs))
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		at := -1
		for i, ref := range refs {
			_, short, _ := strings.Cut(ref, ".")
			switch {
			case ref != name && short != name:
			case at >= 0:
				return nil, name, fmt.Errorf("the weight %q could be that of %s or of %s: give the reference in quotes", name, refs[at], ref)
			default:
				at = i
			}
		}
		switch {
		case at < 0:
			return nil, name, fmt.Errorf("there is a weight for %q, which is none of %s", name, strings.Join(refs, ", "))
		case given[at] != "":
			return nil, name, fmt.Errorf("there are two weights for %s: %q and %q", refs[at], given[at], name)
		case !inRange(float64(weights[name])):
			return nil, name, fmt.Errorf("the weight of %q must be more than 0 and at most %d, not %v", name, maxWeight, weights[name])
		}
		of[at], given[at] = weights[name], name
	}
	return of, "", nil
}

const maxWeight = 1_000_000

// inRange is false also for what is not a number.
func inRange(weight float64) bool { return weight > 0 && weight <= maxWeight }
