package routing

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// rendezvous gives each key to one of several names, in proportion to their
// weights: weighted rendezvous hashing. A key's owner depends on the key, the
// names and the weights alone, and is the same in every process and version.
// Taking a name away moves only its keys, adding one only those it gets.
type rendezvous struct {
	seeds   []uint64 // of the names
	weights []float64
}

func newRendezvous(names []string, weights []float64) *rendezvous {
	r := &rendezvous{weights: weights}
	for _, name := range names {
		r.seeds = append(r.seeds, xxhash.Sum64String(name))
	}
	return r
}

// owner returns the index of the name that key belongs to.
func (r *rendezvous) owner(key string) int {
	hash := xxhash.Sum64String(key)
	best, most := 0, -1.0
	for i, seed := range r.seeds {
		// A number between 0 and 1, never either, in the 53 bits of a float64.
		u := (float64(mix(hash^mix(seed))>>11) + 0.5) / (1 << 53)
		if score := -r.weights[i] / math.Log(u); score > most {
			best, most = i, score
		}
	}
	return best
}

// mix is the finalizer of SplitMix64: every bit of h decides over every bit of
// the result.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
