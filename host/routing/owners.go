package routing

import "github.com/p2p-ai-agents/stowage/sdk/storage"

// RememberedOwners is how many keys a policy that places objects remembers the
// place of.
const RememberedOwners = 1 << 16

const nowhere = -1

// owners remembers where the last version of a key was put or found. What it
// says is exact as far as this host is concerned: what was found never replaces
// what was put since.
type owners struct{ *remembered[owned] }

type owned struct {
	child   int // or nowhere: all children have to be asked
	version storage.Version
}

func newOwners() *owners { return &owners{newRemembered[owned](RememberedOwners)} }

// of returns the child that has key, or nowhere.
func (o *owners) of(key string) int {
	if at, known := o.get(key); known {
		return at.child
	}
	return nowhere
}

// set notes that version of key is at child, unless a newer one is known.
func (o *owners) set(key string, child int, version storage.Version) {
	o.update(key, func(was owned, known bool) owned {
		if known && was.version > version {
			return was
		}
		return owned{child, version}
	})
}

// lost notes that child turned out not to have key.
func (o *owners) lost(key string, child int) {
	if at, known := o.get(key); !known || at.child != child {
		return
	}
	o.update(key, func(was owned, _ bool) owned {
		if was.child == child {
			was.child = nowhere
		}
		return was
	})
}

// reset has the next read of key find out anew, whatever was put.
func (o *owners) reset(key string) {
	if _, known := o.get(key); known {
		o.update(key, func(owned, bool) owned { return owned{child: nowhere} })
	}
}
