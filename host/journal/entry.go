package journal

// entryOverhead is what an entry counts besides its key and note.
const entryOverhead = 64

// entry is what a target owes for a key: a debt at rest, writes under way, or
// both. There may be many; keep it small.
type entry struct {
	key string

	// The debt at rest: the newest version that was missed, 0 if none; its
	// note; the newest version missed that was acknowledged, 0 if none; and
	// when the oldest began.
	version, acked uint64
	note           string
	since          int64

	// paid is the newest version paid while this entry was there. Writes under
	// way that are not newer owe nothing however they end.
	paid    uint64
	flights *flight

	// at is since of all that is owed, 0 if nothing, and the place in the
	// order by age.
	at         int64
	prev, next *entry

	size   int32 // counted bytes
	gone   bool  // no longer in the journal's memory
	stored bool  // the disk has a record, or will have with the commit under way
}

// flight is a write under way. It stays with a target that missed it until it
// has ended at all: a scan that runs meanwhile may not find it anywhere yet.
type flight struct {
	next    *flight
	version uint64
	since   int64
	note    string
	acked   bool
	missed  bool // at this target; elsewhere it goes on
}

// owed returns the newest version that is not paid, 0 if none, its note, and
// when the oldest began.
func (e *entry) owed() (version uint64, note string, since int64) {
	version, note, since = e.version, e.note, e.since
	for f := e.flights; f != nil; f = f.next {
		if f.version <= e.paid {
			continue
		}
		if since == 0 || f.since < since {
			since = f.since
		}
		if f.version >= version {
			version, note = f.version, f.note
		}
	}
	return version, note, since
}

// lacks returns the newest acknowledged version that is not paid, 0 if none.
func (e *entry) lacks() uint64 {
	version := e.acked
	for f := e.flights; f != nil; f = f.next {
		if f.acked && f.version > e.paid {
			version = max(version, f.version)
		}
	}
	return version
}

// pay settles what is not newer than version.
func (e *entry) pay(version uint64) {
	e.paid = max(e.paid, version)
	if e.version <= version {
		e.forgive()
	} else if e.acked <= version {
		e.acked = 0
	}
}

// forgive drops the debt at rest.
func (e *entry) forgive() {
	e.version, e.acked, e.note, e.since = 0, 0, "", 0
}

// owe makes f, which ended, part of the debt at rest.
func (e *entry) owe(f *flight) {
	if e.since == 0 || f.since < e.since {
		e.since = f.since
	}
	if f.version >= e.version {
		e.version, e.note = f.version, f.note
	}
	if f.acked {
		e.acked = max(e.acked, f.version)
	}
}

// land removes f from the writes under way.
func (e *entry) land(f *flight) {
	for at := &e.flights; *at != nil; at = &(*at).next {
		if *at == f {
			*at, f.next = f.next, nil
			return
		}
	}
}

// ripe reports whether something is owed and nobody is about to give it.
func (e *entry) ripe() bool {
	for f := e.flights; f != nil; f = f.next {
		if !f.missed {
			return false
		}
	}
	return e.at != 0
}
