package routing

import (
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxDoubts is how many keys a policy remembers whose last write had an unknown
// outcome. Beyond it all keys count as such.
const MaxDoubts = 4096

// doubts are keys whose last write may still land somewhere, although no replica
// shows it. Such a key is not deleted by finding that nobody has it: only a
// tombstone comes before what is under way, in the order of each replica's writes.
type doubts struct {
	mu   sync.Mutex
	keys map[string]struct{}
	all  bool
}

// note learns from the end of a write.
func (d *doubts) note(key string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		delete(d.keys, key)
	case !storage.AsError(err).OutcomeUnknown:
	case len(d.keys) >= MaxDoubts:
		d.all, d.keys = true, nil
	case !d.all:
		if d.keys == nil {
			d.keys = make(map[string]struct{})
		}
		d.keys[key] = struct{}{}
	}
}

func (d *doubts) about(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, in := d.keys[key]
	return in || d.all
}
