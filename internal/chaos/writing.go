package main

import (
	"fmt"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// condition is what a write depends on: nothing, that the key is absent, or that
// it holds a certain update, with the etag that this was seen to have.
type condition struct {
	absent bool
	holds  *update
	etag   string
}

func (c condition) storage() storage.Condition {
	switch {
	case c.absent:
		return storage.IfAbsent()
	case c.holds != nil:
		return storage.IfETag(c.etag)
	default:
		return storage.Condition{}
	}
}

func (c condition) none() bool { return !c.absent && c.holds == nil }

func (c condition) String() string {
	switch {
	case c.absent:
		return " if absent"
	case c.holds != nil:
		return fmt.Sprintf(" if still %s, etag %s", c.holds.id, c.etag)
	default:
		return ""
	}
}

// ifUnchanged is the condition that o is as it was seen last, or none if nobody
// has seen that.
func (m *model) ifUnchanged(o *object) condition {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(o.updates) - 1; i >= 0; i-- {
		if u := o.updates[i]; u.etag != "" && !u.deletes {
			return condition{holds: u, etag: u.etag}
		}
	}
	return condition{}
}

// writing is a write under way.
type writing struct {
	model  *model
	object *object
	update *update
	cond   condition
	floor  tick
	strong tick
}

// write begins a write of o.
func (m *model) write(o *object, u update, cond condition) *writing {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.start = m.tick()
	w := &writing{model: m, object: o, update: &u, cond: cond, floor: o.floor, strong: max(o.floor, o.strongFloor)}
	o.history.note(m.since(), "%s%s begins", w.update, cond)
	o.updates = append(o.updates, w.update)
	return w
}

// end notes how a write ended. m.mu is held.
func (w *writing) end(as outcome, format string, args ...any) {
	m := w.model
	w.update.end, w.update.outcome = m.tick(), as
	w.object.history.note(m.since(), "%s: %s"+format, append([]any{w.update, as}, args...)...)
}

// acknowledged ends a write that succeeded; existed is what was said of the key
// before it.
func (w *writing) acknowledged(etag string, existed storage.Tristate) {
	m, o, u := w.model, w.object, w.update
	m.mu.Lock()
	defer m.mu.Unlock()
	w.end(acknowledged, ", etag %q, existed before: %s", etag, existed)
	o.floor = max(o.floor, u.start)
	if u.etag != "" && u.etag != etag {
		m.violate(o, "%s was acknowledged with etag %s; a read had seen it with %s", u, etag, u.etag)
	}
	u.etag = etag
	switch {
	case existed == storage.Yes && len(w.before(w.floor, stores)) == 0:
		m.violate(o, "%s says that there was an object before; %s", u, o.newest(w.floor))
	case existed == storage.No && len(w.before(w.floor, deletes)) == 0:
		m.violate(o, "%s says that there was nothing before; %s", u, o.newest(w.floor))
	}
	was := w.cond.holds
	switch {
	case w.cond.absent && len(w.before(w.strong, deletes)) == 0:
		m.violate(o, "%s was made under the condition that the key is absent, which it was not; %s", u, o.newest(w.strong))
	case was == nil:
	case !was.allowed(w.strong):
		m.violate(o, "%s was made under the condition of %s, which is in the past; %s", u, was, o.newest(w.strong))
	case was.replacedBy != nil:
		m.violate(o, "%s replaced %s, and so did %s", u, was, was.replacedBy)
	default:
		was.replacedBy = u
	}
}

// before are the updates that the write may have found.
func (w *writing) before(floor tick, chosen func(*update) bool) []*update {
	return w.object.candidates(floor, func(u *update) bool { return u != w.update && chosen(u) })
}

// refused ends a write whose condition did not hold; current is the etag that the
// key has instead.
func (w *writing) refused(current string) {
	m, o, u := w.model, w.object, w.update
	m.mu.Lock()
	defer m.mu.Unlock()
	w.end(failed, ", refused, the key has etag %q", current)
	if u.shown {
		m.violate(o, "%s was refused, and was seen", u)
	}
	if w.cond.none() || w.cond.absent && current == "" || w.cond.holds != nil && current == w.cond.etag {
		m.violate(o, "%s%s was refused because the etag is %q", u, w.cond, current)
		return
	}
	possible := w.before(w.strong, deletes)
	if current != "" {
		possible = w.before(w.strong, func(u *update) bool { return !u.deletes && u.etag == current })
		if len(possible) == 0 {
			possible = w.before(w.strong, func(u *update) bool { return !u.deletes && u.etag == "" })
		}
	}
	if len(possible) == 0 {
		m.violate(o, "%s%s was refused because the etag is %q, which is in the past: %s", u, w.cond, current, o.newest(w.strong))
		return
	}
	m.saw(o, earliest(possible), true)
}

// gaveUp ends a write that failed.
func (w *writing) gaveUp(err error, mayHaveHappened bool) {
	m := w.model
	m.mu.Lock()
	defer m.mu.Unlock()
	if mayHaveHappened {
		w.end(unknown, ": %v", err)
		return
	}
	w.end(failed, ": %v", err)
	if w.update.shown {
		m.violate(w.object, "%s was seen, and then it was said that it did not happen: %v", w.update, err)
	}
}
