package routing

import (
	"context"
	"slices"
	"strconv"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// debts are what the children of a placed policy owe: a target must have no
// copy of the key that is older than the entry's version, which is that of a
// newer copy elsewhere. The note is a version, too, the floor: older copies are
// dead, because what replaced them was acknowledged, also if that has expired
// since. A copy in between counts unless the newer one is found: the newer one
// is being written, or the host ended meanwhile, or its outcome is not known.
//
// The version of a debt can also be that of a put to the target itself which may
// still land there; see [fence].
type debts struct {
	log *journal.Log // nil: there is no journal, and nothing is owed
	// doubts, without a journal, are keys of which a put may still land somewhere.
	doubts *doubts
}

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
	case owed && at.version < floorOf(e):
		return dead
	case owed && uint64(at.version) < e.Version, dirty:
		return doubtful
	default:
		return alive
	}
}

// floorOf is the version before which the copies of a target are dead.
func floorOf(e journal.Entry) storage.Version {
	v, err := strconv.ParseUint(e.Note, 16, 64)
	if err != nil {
		return 0
	}
	return storage.Version(v)
}

// begin records that the children are to have no copy older than version, once
// that is written.
func (d debts) begin(key string, version storage.Version, children []*marked) *intents {
	all := &intents{}
	for _, c := range children {
		var floor storage.Version
		if e, owed := d.log.Entry(c.child.Name, key); owed {
			floor = floorOf(e)
		}
		all.add(d.log, key, version, floor, c)
	}
	return all
}

// acknowledge records that the children are to have no copy older than version,
// whatever becomes of the newer one.
func (d debts) acknowledge(key string, version storage.Version, children []*marked) *intents {
	all := &intents{}
	for _, c := range children {
		all.add(d.log, key, version, version, c)
	}
	return all
}

// any reports whether the child may owe something for key.
func (d debts) any(c *marked, key string) bool {
	if d.log == nil {
		return d.doubts.about(key)
	}
	_, owed := d.log.Entry(c.child.Name, key)
	_, dirty := d.log.Dirty(c.child.Name)
	return owed || dirty
}

// outstanding reports whether any of children may owe something.
func (d debts) outstanding(children []*marked) bool {
	return d.log != nil && slices.ContainsFunc(children, func(c *marked) bool {
		_, dirty := d.log.Dirty(c.child.Name)
		return dirty || d.log.Backlog(c.child.Name).Entries > 0
	})
}

// settle notes that the child has no copy of key that is older than version.
func (d debts) settle(c *marked, key string, version storage.Version) {
	if d.log == nil {
		d.doubts.note(key, nil)
		return
	}
	d.log.Settle(c.child.Name, key, uint64(version))
}

// intents are those of several children for one write.
type intents struct {
	of   []*journal.Intent
	name []string
}

func (i *intents) add(log *journal.Log, key string, version, floor storage.Version, c *marked) {
	note := strconv.FormatUint(uint64(floor), 16)
	i.of, i.name = append(i.of, log.Begin(key, uint64(version), note, c.child.Name)), append(i.name, c.child.Name)
}

// wait returns when all are durable. If it fails nothing is owed.
func (i *intents) wait(ctx context.Context) error {
	for _, intent := range i.of {
		if err := intent.Wait(ctx); err != nil {
			i.each((*journal.Intent).Dropped)
			return err
		}
	}
	return nil
}

func (i *intents) each(end func(*journal.Intent, string)) {
	for n, intent := range i.of {
		end(intent, i.name[n])
	}
}

// done says that a child has paid.
func (i *intents) done(c *marked) {
	if n := slices.Index(i.name, c.child.Name); n >= 0 {
		i.of[n].Done(c.child.Name)
	}
}
