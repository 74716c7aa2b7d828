package journal

// target is what one log knows of one child. The mutex of the journal guards it.
type target struct {
	log     *Log
	name    string
	prefix  []byte // of the keys of its entries on disk
	entries map[string]*entry
	order   order
	count   int // entries that owe something
	bytes   int64
	wake    chan struct{}

	// While it is dirty, entries are writes under way only, and none is on
	// disk.
	dirty  bool
	reason string
	mark   uint64
	marked *commit // has the newest mark that had to be durable
	erase  bool    // the entries on disk are to be removed
}

func (l *Log) target(name string) *target {
	t := l.targets[name]
	if t == nil {
		t = &target{
			log: l, name: name, prefix: entryPrefix(l.name, name),
			entries: make(map[string]*entry), wake: make(chan struct{}, 1),
		}
		l.targets[name] = t
	}
	return t
}

func (t *target) entry(key string) *entry {
	e := t.entries[key]
	if e == nil {
		e = &entry{key: key}
		t.entries[key] = e
	}
	return e
}

// refresh does what follows from a change of e: it counts, orders, queues and
// removes it, and wakes who waits for it.
func (t *target) refresh(e *entry) {
	version, note, since := e.owed()
	size := int32(0)
	if version != 0 {
		size = int32(entryOverhead + len(e.key) + len(note)) //nolint:gosec // keys and notes are short
	}
	t.count += btoi(size != 0) - btoi(e.size != 0)
	t.bytes += int64(size) - int64(e.size)
	e.size = size
	t.order.place(e, since)
	if version == 0 && e.flights == nil {
		delete(t.entries, e.key)
		e.gone = true
	}
	if !t.dirty {
		t.log.journal.queueEntry(t, e)
	}
	if e.ripe() {
		t.notify()
	}
}

func (t *target) notify() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
