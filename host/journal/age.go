package journal

// order is a list of entries by age: the oldest first.
type order struct{ first, last *entry }

// place puts e where its time belongs; 0 takes it out. Newer entries are
// passed one by one: nearly always there are none, or those begun while a write
// was under way.
func (o *order) place(e *entry, at int64) {
	if e.at == at {
		return
	}
	if e.at != 0 {
		o.unlink(e)
	}
	e.at = at
	if at == 0 {
		return
	}
	before := o.last
	for before != nil && before.at > at {
		before = before.prev
	}
	e.prev = before
	if before == nil {
		e.next, o.first = o.first, e
	} else {
		e.next, before.next = before.next, e
	}
	if e.next == nil {
		o.last = e
	} else {
		e.next.prev = e
	}
}

func (o *order) unlink(e *entry) {
	if e.prev == nil {
		o.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		o.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}
