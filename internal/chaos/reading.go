package main

import (
	"cmp"
	"slices"
	"time"
)

// reading is a read of one key under way, which a listing is of many.
type reading struct {
	model  *model
	object *object
	op     string
	strong bool
	floor  tick
	at     time.Duration
}

// read begins a read of o.
func (m *model) read(o *object, op string, strong bool) *reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &reading{model: m, object: o, op: op, strong: strong, floor: o.floor, at: m.since()}
	if strong {
		r.floor = max(o.floor, o.strongFloor)
	}
	return r
}

// found ends a read that returned an object. wrong is what is wrong with its
// value, or "".
func (r *reading) found(i id, etag string, wrong string) {
	m, o := r.model, r.object
	m.mu.Lock()
	defer m.mu.Unlock()
	r.note("found %s, etag %s", i, etag)
	u := o.find(i)
	switch {
	case u == nil || u.deletes:
		m.violate(o, "%s returned what nobody ever put there: %s", r.op, i)
	case wrong != "":
		m.violate(o, "%s returned another value than %s: %s", r.op, u, wrong)
	case u.outcome == failed:
		m.violate(o, "%s returned %s, of which was said that it did not happen", r.op, u)
	case !u.allowed(r.floor):
		m.violate(o, "%s returned %s, which is in the past: %s", r.op, u, o.newest(r.floor))
	case u.etag != "" && u.etag != etag:
		m.violate(o, "%s returned %s with etag %s; before, it had %s", r.op, u, etag, u.etag)
	default:
		u.etag = etag
		m.saw(o, u, r.strong)
	}
}

// absent ends a read that found nothing.
func (r *reading) absent() {
	m, o := r.model, r.object
	m.mu.Lock()
	defer m.mu.Unlock()
	r.note("found nothing")
	possible := o.candidates(r.floor, deletes)
	if len(possible) == 0 {
		m.violate(o, "%s found nothing, although the key was stored and not deleted: %s", r.op, o.newest(r.floor))
		return
	}
	m.saw(o, earliest(possible), r.strong)
}

// gaveUp ends a read that failed.
func (r *reading) gaveUp(err error) {
	r.model.mu.Lock()
	defer r.model.mu.Unlock()
	r.note("%v", err)
}

func (r *reading) note(format string, args ...any) {
	r.object.history.note(r.model.since(), "%s since %.6f: "+format, append([]any{r.op, r.at.Seconds()}, args...)...)
}

// saw notes that a read returned u, or something later.
func (m *model) saw(o *object, u *update, strong bool) {
	u.shown = true
	if strong {
		o.strongFloor = max(o.strongFloor, u.start)
	}
}

// earliest is the update that began first: whichever of them was seen, those
// that ended before it are in the past.
func earliest(all []*update) *update {
	return slices.MinFunc(all, func(a, b *update) int { return cmp.Compare(a.start, b.start) })
}

// newest says what a read with that floor had to see.
func (o *object) newest(floor tick) string {
	text := "allowed were"
	for _, u := range o.candidates(floor, func(*update) bool { return true }) {
		text += " [" + u.String() + ", " + u.outcome.String() + "]"
	}
	return text
}
