package routing

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const maxNote = journal.MaxNoteBytes

// A write that a child took is owed to every child before it, since those are
// asked first. What is owed to the primary says where a key is; what is owed to
// another child, that it must not answer for the primary. Every debt of a key is
// replaced by the next write to it.

// owed returns where the newest state of key is if a child missed it. It is
// false if nobody knows of a state that is newer than the child's own.
func (f *failover) owed(child, key string) (w whereabouts, version uint64, owed bool) {
	e, owed := f.log.Entry(child, key)
	if !owed {
		return w, 0, false
	}
	w, err := parseWhereabouts(e.Note)
	if err != nil {
		w = whereabouts{state: present, holder: err.Error()}
	}
	return w, e.Version, w.holder != child
}

// indebted are the children for which the journal has anything about key, and
// the newest version that it knows.
func (f *failover) indebted(key string) (children []string, newest uint64) {
	for _, child := range f.targets {
		if e, owed := f.log.Entry(child, key); owed {
			children = append(children, child)
			newest = max(newest, e.Version)
		}
	}
	return children, newest
}

// record makes durable that the newest state of key is w, and so pays what its
// holder owed. The caller has the key's turn. After an error the key is for this
// host where it was before.
func (f *failover) record(ctx context.Context, key string, w whereabouts) error {
	lacking, newest := f.indebted(key)
	for _, c := range f.order {
		if c.child.Name == w.holder {
			break
		}
		if !slices.Contains(lacking, c.child.Name) {
			lacking = append(lacking, c.child.Name)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	if err := f.enter(ctx, key, w, newest, lacking); err != nil {
		return err
	}
	for _, child := range lacking {
		if child != w.holder {
			f.tell(event.Hinted, child, key)
		}
	}
	return nil
}

// enter makes durable that children owe the state w of key, but for its holder.
func (f *failover) enter(ctx context.Context, key string, w whereabouts, newest uint64, children []string) error {
	version := max(uint64(f.env.Clock.Next()), newest+1)
	i := f.log.Begin(key, version, w.String(), children...)
	err := i.Wait(ctx)
	if err == nil {
		i.Acknowledged()
	}
	for _, child := range children {
		switch {
		case err != nil:
			i.Dropped(child)
		case child == w.holder:
			i.Done(child)
		default:
			i.Missed(child)
		}
	}
	return err
}

// doubt prepares for a write that may leave nothing at c, which holds the newest
// state of key: if the host ends before that is recorded, absence is no loss.
func (f *failover) doubt(ctx context.Context, key string, c *candidate) error {
	w, _, owed := f.owed(f.primary.child.Name, key)
	if !owed || w.holder != c.child.Name || w.state != present {
		return nil
	}
	w = whereabouts{state: decisive, holder: w.holder}
	children, newest := f.indebted(key)
	return f.enter(ctx, key, w, newest, children)
}

// room refuses a write that would make the journal keep more than it may for a
// child that misses it.
func (f *failover) room(key string, taker *candidate) error {
	for _, c := range f.order[:taker.index] {
		if _, owed := f.log.Entry(c.child.Name, key); !owed && f.log.Full(c.child.Name) {
			return storage.Errorf(storage.CodeUnavailable,
				"%s could take it, but the journal is full of writes that %s missed; they are replayed when it is back", taker.child.Name, c.child.Name)
		}
	}
	return nil
}

// stale reports whether c misses a write to key.
func (f *failover) stale(c *candidate, key string) bool {
	_, _, owed := f.owed(c.child.Name, key)
	return owed
}

func (f *failover) tell(what event.PolicyEvent, child, key string) {
	f.listener.Policy(event.PolicyInfo{Policy: f.name, Event: what, Child: child, Key: key})
}
