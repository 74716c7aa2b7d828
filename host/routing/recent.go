package routing

import "sync"

// recent remembers something about the keys that were told of last: at most
// limit of them, after which the oldest is forgotten. It is safe for concurrent
// use.
type recent[V any] struct {
	limit int

	mu   sync.Mutex
	last map[string]V
	keys []string // a ring, the oldest at next
	next int
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{limit: limit, last: map[string]V{}}
}

func (r *recent[V]) get(key string) (v V, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, known = r.last[key]
	return v, known
}

// update replaces what is remembered of key by what change makes of it.
func (r *recent[V]) update(key string, change func(was V, known bool) V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.last[key]
	now := change(was, known)
	if !known {
		if len(r.keys) < r.limit {
			r.keys = append(r.keys, key)
		} else {
			delete(r.last, r.keys[r.next])
			r.keys[r.next] = key
			r.next = (r.next + 1) % r.limit
		}
	}
	r.last[key] = now
}
