package routing

import (
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// debts are what the children of a placed policy owe: a target must have no
// copy of the key that is older than the entry's version. The note says whether
// the newer version counts.
type debts struct{ log *journal.Log } // nil: there is no journal, and nothing is owed

const (
	// noteMoving: the newer version is being written, or the host ended
	// meanwhile. The old copy counts unless the newer one is found.
	noteMoving = "moving"
	// noteMoved: the newer version was acknowledged. The old copy is dead, also
	// if the newer one has expired since.
	noteMoved = "moved"
)

// standing is what a copy means as far as this host knows.
type standing int

const (
	alive    standing = iota // no newer one was written by this host
	doubtful                 // a newer one may have been
	dead
)

func (d debts) standing(c *marked, key string, at stamp) standing {
	if d.log == nil {
		return alive
	}
	e, owed := d.log.Entry(c.child.Name, key)
	_, dirty := d.log.Dirty(c.child.Name)
	switch {
	case owed && uint64(at.version) < e.Version && e.Note == noteMoved:
		return dead
	case owed && uint64(at.version) < e.Version, dirty:
		return doubtful
	default:
		return alive
	}
}

// any reports whether the child may owe something for key.
func (d debts) any(c *marked, key string) bool {
	if d.log == nil {
		return false
	}
	_, owed := d.log.Entry(c.child.Name, key)
	_, dirty := d.log.Dirty(c.child.Name)
	return owed || dirty
}

// dead reports whether whatever the child has of key is dead already.
func (d debts) dead(c *marked, key string) bool {
	if d.log == nil {
		return false
	}
	e, owed := d.log.Entry(c.child.Name, key)
	return owed && e.Note == noteMoved
}

// settle notes that the child has no copy of key that is older than version.
func (d debts) settle(c *marked, key string, version storage.Version) {
	if d.log != nil {
		d.log.Settle(c.child.Name, key, uint64(version))
	}
}
