package event

// PolicyEvent names something that a policy did besides its operations.
type PolicyEvent uint8

// What policies tell.
const (
	// FillDropped: what was read to fill a cache was not kept, because the key
	// was written meanwhile or the cache failed.
	FillDropped PolicyEvent = iota
	// Quarantined: a cached entry could not be invalidated and is not used
	// until it is replaced.
	Quarantined
	// Invalidated: a cached entry was given up because the source told of a
	// change.
	Invalidated
	// ServedStale: an answer that was past its time was given because its
	// reader accepts that.
	ServedStale
	// Hinted: a child missed a write that was acknowledged, and a durable hint
	// remembers it.
	Hinted
	// Replayed: a child was given what a hint remembered.
	Replayed
	// Divergence: children disagreed about a key although no hint said so.
	Divergence
	// Repaired: a child was given the version it lacked, outside of hints.
	Repaired
	// Ejected: a child is passed over until it was tried again.
	Ejected
	// Readmitted: an ejected child serves again.
	Readmitted
	// Dirtied: hints for a child outgrew their bounds; it must be scanned.
	Dirtied
	// Moved: an object was moved to the child where it belongs.
	Moved
	// Collected: the tombstone of a deleted key was removed from all children.
	Collected
	// NumPolicyEvents is how many there are, for tables indexed by them.
	NumPolicyEvents
)

// String returns the name that statistics use, such as "fills_dropped".
func (e PolicyEvent) String() string {
	names := [NumPolicyEvents]string{
		"fills_dropped", "quarantined", "invalidated", "served_stale", "hinted", "replayed", "divergences", "repaired",
		"ejections", "readmitted", "dirtied", "moved", "collected",
	}
	if e >= NumPolicyEvents {
		return "unknown"
	}
	return names[e]
}

// PolicyInfo tells of a PolicyEvent.
type PolicyInfo struct {
	Policy string
	Event  PolicyEvent
	// Child is the reference of the child it is about, such as "backend.disk";
	// empty if it is about none.
	Child string
	// Key it is about; empty if it is about none.
	Key string
	// Err is why, if it was a failure.
	Err error
}
