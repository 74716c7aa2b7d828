package routing

import (
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// RememberedWrites is how many keys first_available remembers that were
// written through it.
const RememberedWrites = 1 << 16

// writes remembers the last keys written and what was written.
type writes struct {
	mu    sync.Mutex
	last  map[string]written
	keys  []string // a ring, the oldest at next
	next  int
	limit int
}

type written struct {
	exists bool
	size   int64
	crc    uint32
}

func newWrites() *writes {
	return &writes{last: map[string]written{}, limit: RememberedWrites}
}

func (w *writes) put(o storage.Object) { w.note(o.Key, written{true, o.Size, o.CRC32C}) }

func (w *writes) deleted(key string) { w.note(key, written{}) }

func (w *writes) note(key string, now written) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.last[key]; !known {
		if len(w.keys) < w.limit {
			w.keys = append(w.keys, key)
		} else {
			delete(w.last, w.keys[w.next])
			w.keys[w.next] = key
			w.next = (w.next + 1) % w.limit
		}
	}
	w.last[key] = now
}

// allow reports whether o may be shown in the place of what was written last:
// it has the same bytes, or nothing is remembered.
func (w *writes) allow(o storage.Object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, known := w.last[o.Key]
	return !known || was == written{true, o.Size, o.CRC32C}
}
