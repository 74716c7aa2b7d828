package routing

import "github.com/p2p-ai-agents/stowage/sdk/storage"

// RememberedWrites is how many keys first_available remembers that were
// written through it.
const RememberedWrites = 1 << 16

// writes remembers the last keys written and what was written.
type writes struct{ *remembered[written] }

type written struct {
	exists bool
	size   int64
	crc    uint32
}

func newWrites() *writes { return &writes{newRemembered[written](RememberedWrites)} }

func (w *writes) put(o storage.Object) { w.note(o.Key, written{true, o.Size, o.CRC32C}) }

func (w *writes) deleted(key string) { w.note(key, written{}) }

func (w *writes) note(key string, now written) {
	w.update(key, func(written, bool) written { return now })
}

// allow reports whether o may be shown in the place of what was written last:
// it has the same bytes, or nothing is remembered. A stand-in has to be
// remembered.
func (w *writes) allow(o storage.Object) bool {
	was, known := w.get(o.Key)
	return !known && o.Metadata[metaStandIn] == "" || known && was == written{true, o.Size, o.CRC32C}
}
