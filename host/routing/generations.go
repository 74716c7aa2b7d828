package routing

import (
	"sync"
	"time"
)

const (
	// RememberedGenerations is of how many keys prefer_cache remembers when they
	// were written last.
	RememberedGenerations = 1 << 16
	// UnknownOutcomePause is how long nothing is cached of a key after a write
	// whose outcome is not known: it may yet happen.
	UnknownOutcomePause = time.Minute
)

// generations tells whether what was read at some time is still what the source
// has, without a lock between readers and writers. Time is a sequence number
// that grows with every beginning and end of a write, of any key. What was read
// after a number was current at it; it is good as long as the key has no later
// one, and no write under way.
//
// Of the keys that were written before those it remembers it knows only that the
// last of those writes was not later than a floor. It is safe for concurrent use.
type generations struct {
	mu     sync.RWMutex
	seq    uint64
	open   map[string]*opened // writes under way
	recent recent[generation]
	floor  generation
	gap    uint64 // up to here changes may have been missed, of any key
}

type generation struct {
	seq   uint64
	doubt int64  // until then a write may yet happen, in nanoseconds since 1970
	mine  bool   // the last change that is known of is a write of this policy,
	etag  string // which left this behind; "" after a delete
}

type opened struct {
	writes int
	heard  bool   // of a change, meanwhile,
	etag   string // the last of which left this behind
}

// judgement is what is known of something that was read.
type judgement uint8

const (
	replaced  judgement = iota // or may be at any moment
	uncertain                  // the source must be asked
	current
)

func newGenerations() *generations {
	return &generations{seq: 1, open: map[string]*opened{}, recent: newRecent[generation](RememberedGenerations)}
}

// now returns the number at which a read begins, and whether its result may be
// kept and shared, as far as is known now.
func (g *generations) now(key string, now int64) (seq uint64, ok bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.seq, g.judge(key, g.seq, now) == current
}

// good judges what was read of key at seq; 0 is before everything.
func (g *generations) good(key string, seq uint64, now int64) judgement {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.judge(key, seq, now)
}

func (g *generations) judge(key string, seq uint64, now int64) judgement {
	if len(g.open) > 0 && g.open[key] != nil {
		return replaced
	}
	last, known := g.recent.last[key]
	if !known {
		last = g.floor
	}
	switch {
	case now < last.doubt || known && seq < last.seq:
		return replaced
	case seq < last.seq || seq < g.gap || seq == 0:
		return uncertain
	default:
		return current
	}
}

// writeEnd is how a write ended.
type writeEnd uint8

const (
	writeFailed  writeEnd = iota // it did not happen
	writeDone                    // it was acknowledged
	writeUnknown                 // it may have happened, or may yet happen
)

// endOf is how a write ended that returned err.
func endOf(err error) writeEnd {
	switch {
	case err == nil:
		return writeDone
	case mayHaveHappened(err):
		return writeUnknown
	default:
		return writeFailed
	}
}

// ticket is a write under way.
type ticket struct {
	seq   uint64
	alone bool
}

// begin notes that a write of key begins. end must follow.
func (g *generations) begin(key string) ticket {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.open[key]
	t := ticket{alone: o == nil}
	if o == nil {
		o = &opened{}
		g.open[key] = o
	}
	o.writes++
	t.seq = g.advance(key, generation{doubt: g.last(key).doubt})
	return t
}

// end notes the end of a write that left etag behind: what is read from now on
// shows whether it happened, unless that is not known. If the key was not changed
// otherwise meanwhile, alone is set: a write that was acknowledged is what the
// source has at seq.
func (g *generations) end(key string, t ticket, how writeEnd, etag string, now int64) (seq uint64, alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, last := g.open[key], g.last(key)
	alone = t.alone && last.seq == t.seq && (!o.heard || o.etag == etag)
	next := generation{doubt: last.doubt}
	switch {
	case how == writeUnknown:
		next.doubt = now + int64(UnknownOutcomePause)
	case how == writeDone && alone:
		next = generation{mine: true, etag: etag} // an acknowledged write is not overtaken by one before it
	}
	if o.writes--; o.writes == 0 {
		delete(g.open, key)
	}
	return g.advance(key, next), alone
}

// heard notes that the source told of a change of key that left etag behind, and
// reports whether it is news: neither a write of this policy nor one that happened
// while such a one is under way, whose end counts as a change anyhow.
func (g *generations) heard(key, etag string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.open[key]; o != nil {
		o.heard, o.etag = true, etag
		return false
	}
	last := g.last(key)
	return !last.mine || last.etag != etag
}

// changed notes that key was changed by somebody else.
func (g *generations) changed(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.advance(key, generation{doubt: g.last(key).doubt})
}

// written reports whether it is remembered that key was written.
func (g *generations) written(key string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	_, known := g.recent.last[key]
	return known
}

// missed notes that changes of any keys may have been missed.
func (g *generations) missed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	g.gap = g.seq
}

func (g *generations) last(key string) generation {
	if last, known := g.recent.last[key]; known {
		return last
	}
	return generation{doubt: g.floor.doubt}
}

func (g *generations) advance(key string, next generation) uint64 {
	g.seq++
	next.seq = g.seq
	if forgotten, full := g.recent.note(key, next); full {
		g.floor.seq = max(g.floor.seq, forgotten.seq)
		g.floor.doubt = max(g.floor.doubt, forgotten.doubt)
	}
	return g.seq
}
