package schema

import "slices"

// maxSuggestName bounds the work of Suggest, which is quadratic in the length
// of the names.
const maxSuggestName = 128

// Suggest returns the candidate a misspelt name was most likely meant to be,
// or "" if none is close: within two edits, fewer for short names, two
// neighbouring letters swapped counting as one. Of equally close candidates
// the first in byte order wins.
func Suggest(name string, candidates []string) string {
	target := []rune(name)
	if len(target) == 0 || len(target) > maxSuggestName {
		return ""
	}
	best, bestDistance := "", min(2, (len(target)+1)/3)+1
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		if candidate == name || len(candidate) > maxSuggestName {
			continue
		}
		if d := editDistance(target, []rune(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func editDistance(a, b []rune) int {
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
