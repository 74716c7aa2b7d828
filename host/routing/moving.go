package routing

import (
	"maps"
	"slices"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// maxMoves is how many moves a page of a listing may meet with.
const maxMoves = 4096

// moving knows which keys move from one child to another, so that a listing
// does not miss one that left a child before it was read for another that had
// been read. The zero value is ready.
type moving struct {
	mu       sync.Mutex
	keys     map[string]int // under way
	begun    uint64         // moves so far
	watchers map[*moves]struct{}
}

// moves are the keys that moved while a page was read.
type moves struct {
	keys map[string]struct{}
	many bool
}

func (m *moves) add(key string) {
	if m.many = m.many || len(m.keys) >= maxMoves; !m.many {
		m.keys[key] = struct{}{}
	}
}

// begin says that key is about to move, until end is called.
func (m *moving) begin(key string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]int{}
	}
	m.keys[key]++
	m.begun++
	for w := range m.watchers {
		w.add(key)
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.keys[key]--; m.keys[key] == 0 {
			delete(m.keys, key)
		}
	}
}

// still returns a function that reports whether key has certainly not moved
// since: who has asked one child after the other then knows that it is nowhere.
func (m *moving) still(key string) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	moves, begun := m.keys[key] > 0, m.begun
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return !moves && m.begun == begun
	}
}

// watch notes all keys that move until stop is called, which returns them in
// order.
func (m *moving) watch() (stop func() ([]string, error)) {
	w := &moves{keys: map[string]struct{}{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.keys {
		w.add(key)
	}
	if m.watchers == nil {
		m.watchers = map[*moves]struct{}{}
	}
	m.watchers[w] = struct{}{}
	return func() ([]string, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
		if w.many {
			return nil, storage.Errorf(storage.CodeUnavailable, "more than %d objects moved while the page was read; ask for a smaller one", maxMoves)
		}
		return slices.Sorted(maps.Keys(w.keys)), nil
	}
}
