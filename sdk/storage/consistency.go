package storage

import "strings"

// Consistency is what an operation asks about the freshness of its answer. A
// backend that cannot give a level answers Unimplemented; it never quietly
// gives less.
type Consistency uint8

// The levels of consistency.
const (
	// ConsistencyDefault is what the backend or policy gives by itself.
	// Through one host a caller reads its own writes.
	ConsistencyDefault Consistency = iota
	// ConsistencyEventual accepts any version, also a stale one.
	ConsistencyEventual
	// ConsistencyReadYourWrites sees at least the versions the session wrote.
	ConsistencyReadYourWrites
	// ConsistencyCausal sees at least the versions the session wrote or read,
	// also when its token came from another process.
	ConsistencyCausal
	// ConsistencyStrong sees every write acknowledged before the operation
	// began; caches are bypassed.
	ConsistencyStrong
)

func consistencyNames() []string {
	return []string{"default", "eventual", "read-your-writes", "causal", "strong"}
}

// String returns the level's name: default, eventual, read-your-writes, causal
// or strong.
func (c Consistency) String() string {
	if names := consistencyNames(); int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}

// ParseConsistency is the inverse of String, in any letter case; an unknown
// name is InvalidArgument.
func ParseConsistency(name string) (Consistency, error) {
	for i, n := range consistencyNames() {
		if strings.EqualFold(n, name) {
			return Consistency(i), nil
		}
	}
	return 0, Errorf(CodeInvalidArgument, "unknown consistency %q; use one of %s", name, strings.Join(consistencyNames(), ", "))
}

// ConsistencySet is a set of levels. ConsistencyDefault is in every set.
type ConsistencySet uint8

// ConsistencyLevels makes a set.
func ConsistencyLevels(levels ...Consistency) ConsistencySet {
	var s ConsistencySet
	for _, l := range levels {
		s |= 1 << l
	}
	return s
}

// AllConsistencyLevels is the set of a backend whose every answer is strong:
// one that keeps a single copy and commits atomically.
func AllConsistencyLevels() ConsistencySet {
	return ConsistencyLevels(ConsistencyEventual, ConsistencyReadYourWrites, ConsistencyCausal, ConsistencyStrong)
}

// Has reports whether level is in s.
func (s ConsistencySet) Has(level Consistency) bool {
	return level == ConsistencyDefault || level <= ConsistencyStrong && s&(1<<level) != 0
}

// Levels returns the levels of s, weakest first, without the default.
func (s ConsistencySet) Levels() []Consistency {
	var levels []Consistency
	for l := ConsistencyEventual; l <= ConsistencyStrong; l++ {
		if s.Has(l) {
			levels = append(levels, l)
		}
	}
	return levels
}
