package routing

import "sync"

// recent is a map of the keys that were noted last. When there are more than its
// limit, that which came first is forgotten. It is not safe for concurrent use.
type recent[V any] struct {
	limit int
	last  map[string]V
	keys  []string // a ring, the oldest at next
	next  int
}

func newRecent[V any](limit int) recent[V] { return recent[V]{limit: limit, last: map[string]V{}} }

// note keeps v under key, in the place of what was there, and returns what it
// forgot for that.
func (r *recent[V]) note(key string, v V) (forgotten V, full bool) {
	if _, known := r.last[key]; !known {
		if len(r.keys) < r.limit {
			r.keys = append(r.keys, key)
		} else {
			forgotten, full = r.last[r.keys[r.next]], true
			delete(r.last, r.keys[r.next])
			r.keys[r.next] = key
			r.next = (r.next + 1) % r.limit
		}
	}
	r.last[key] = v
	return forgotten, full
}

// remembered is a recent that is safe for concurrent use.
type remembered[V any] struct {
	mu     sync.Mutex
	recent recent[V]
}

func newRemembered[V any](limit int) *remembered[V] {
	return &remembered[V]{recent: newRecent[V](limit)}
}

func (r *remembered[V]) get(key string) (v V, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, known = r.recent.last[key]
	return v, known
}

// update replaces what is remembered of key by what change makes of it.
func (r *remembered[V]) update(key string, change func(was V, known bool) V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.recent.last[key]
	r.recent.note(key, change(was, known))
}
