package routing

import "sync"

// notes remembers of keys that the cache need not be asked for them: the source
// does not have them, or what it has is not cached. A note holds for a while, and
// until the key is written.
type notes struct {
	mu     sync.RWMutex
	recent recent[note]
}

type note struct {
	what  noteKind
	seq   uint64 // at which it was learnt
	until int64  // nanoseconds since 1970
}

type noteKind uint8

const (
	noNote   noteKind = iota
	absent            // the source does not have it
	uncached          // it is too large, or cannot be cached
)

func newNotes() *notes { return &notes{recent: newRecent[note](RememberedAbsent)} }

func (n *notes) put(key string, v note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.recent.note(key, v)
}

func (n *notes) get(key string) (note, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(n.recent.last) == 0 {
		return note{}, false
	}
	v, ok := n.recent.last[key]
	return v, ok
}

// noted returns what is known of key without the cache.
func (p *preferCache) noted(key string, now int64) noteKind {
	n, ok := p.notes.get(key)
	if !ok || now >= n.until || p.written.good(key, n.seq, now) != current {
		return noNote
	}
	return n.what
}
