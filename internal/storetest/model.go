package storetest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// expiryTolerance is how much of an expiry a store may round away.
const expiryTolerance = 10 * time.Millisecond

// model knows which values each key can have, after the operations of one caller
// at a time.
type model struct {
	harness Harness
	// strict: nothing is wrong with any child.
	strict bool
	cells  map[string]*cell
	values map[place]*written
	etags  map[string]map[string]int // by key
}

type place struct {
	key string
	id  int
}

// cell is a key.
type cell struct {
	// possible values that a Strong read can find, absent among them.
	possible map[int]bool
	// loose are those that any read can find: that somebody saw one of them does
	// not mean that everybody does.
	loose map[int]bool
	// pending are those of writes of unknown outcome, which can land later.
	pending map[int]bool
	// session are the possible ones after what the session has seen.
	session map[int]bool
	// ever are all that were written, and sinceSync those that were possible since
	// the volatile children were synced.
	ever, sinceSync map[int]bool
	// forgotten: the host was restarted since the last acknowledged write.
	forgotten bool
	// copied values have been written more than once.
	copied map[int]bool
	// first and last are after how many writes each value was written, since the
	// last that was acknowledged.
	first, last map[int]int
	writes      int
}

// written is what is known of a value beside its number.
type written struct {
	ttl      time.Duration
	earliest time.Time // when it expires, at the earliest
	expires  time.Time // when it does, if that is known
}

func newModel(h Harness) *model {
	return &model{harness: h, cells: make(map[string]*cell), values: make(map[place]*written), etags: make(map[string]map[string]int)}
}

func set(ids ...int) map[int]bool {
	s := make(map[int]bool)
	for _, id := range ids {
		s[id] = true
	}
	return s
}

func (m *model) cell(key string) *cell {
	c := m.cells[key]
	if c == nil {
		c = &cell{possible: set(absent), loose: set(absent), pending: set(), session: set(absent), ever: set(absent), sinceSync: set(absent), copied: set(), first: map[int]int{}, last: map[int]int{}}
		m.cells[key] = c
	}
	return c
}

// wrote says that a value could be put from now on.
func (m *model) wrote(key string, id int, ttl time.Duration) {
	w := &written{ttl: ttl}
	if ttl > 0 {
		w.earliest = time.Now().Add(ttl)
	}
	m.values[place{key, id}] = w
}

func (c *cell) clone() cell {
	d := *c
	for _, s := range []*map[int]bool{&d.possible, &d.loose, &d.pending, &d.session, &d.ever, &d.sinceSync, &d.copied} {
		*s = maps.Clone(*s)
	}
	d.first, d.last = maps.Clone(c.first), maps.Clone(c.last)
	return d
}

// acknowledged says that one of ids is what the key has, and that what was
// pending before never lands any more.
func (c *cell) acknowledged(ids ...int) {
	c.possible, c.loose, c.session, c.pending = set(ids...), set(ids...), set(ids...), set()
	c.forgotten = false
	c.first, c.last = map[int]int{}, map[int]int{}
	c.note(ids...)
}

// uncertain says that id can be what the key has, now or later.
func (c *cell) uncertain(id int) {
	c.possible[id], c.loose[id], c.session[id], c.pending[id] = true, true, true, true
	c.note(id)
}

func (c *cell) note(ids ...int) {
	for _, id := range ids {
		c.ever[id], c.sinceSync[id] = true, true
		if _, known := c.first[id]; !known {
			c.first[id] = c.writes
		}
		c.last[id] = c.writes
	}
}

// saw narrows what the session can find after it has seen id: nothing that was
// written before. It may be told something older than it has seen, where it did
// not ask for more, and forgets nothing then.
func (c *cell) saw(id int) {
	if !c.session[id] {
		return
	}
	for other := range c.session {
		if last, known := c.last[other]; known && other != id && last < c.first[id] {
			delete(c.session, other)
		}
	}
}

// synced says that nothing before is lost in a crash.
func (m *model) synced() {
	for _, c := range m.cells {
		c.sinceSync = maps.Clone(c.loose)
	}
}

// lost says that anything since the last sync can have been lost.
func (m *model) lost() {
	for _, c := range m.cells {
		maps.Copy(c.possible, c.sinceSync)
		maps.Copy(c.loose, c.sinceSync)
		maps.Copy(c.session, c.sinceSync)
	}
}

func (m *model) restarted() {
	for _, c := range m.cells {
		c.forgotten = m.harness.Forgets
	}
}

// expired reports whether the value can have expired by at, and whether it can
// still be alive.
func (m *model) expired(key string, id int, at time.Time) (can, must bool) {
	w := m.values[place{key, id}]
	if id == absent || w == nil || w.ttl == 0 {
		return false, false
	}
	if !w.expires.IsZero() {
		return at.After(w.expires.Add(-expiryTolerance)), at.After(w.expires.Add(expiryTolerance + m.harness.Drift))
	}
	return at.After(w.earliest.Add(-expiryTolerance)), false
}

// allows reports whether the key can be found to have value id between two times,
// if it has one of values.
func (m *model) allows(key string, values map[int]bool, id int, from, to time.Time) bool {
	if id != absent {
		_, gone := m.expired(key, id, from)
		return values[id] && !gone
	}
	for v := range values {
		if can, _ := m.expired(key, v, to); v == absent || can {
			return true
		}
	}
	return false
}

// object checks what a store says of a value, and learns its etag and expiry.
func (m *model) object(key string, id int, o storage.Object) error {
	w := m.values[place{key, id}]
	switch {
	case w == nil:
		return fmt.Errorf("%q has value %d, which was never written to it", key, id)
	case w.ttl == 0 && !o.ExpiresAt.IsZero():
		return fmt.Errorf("%q has value %d, which expires at %v and should not", key, id, o.ExpiresAt)
	case w.ttl > 0 && o.ExpiresAt.Before(w.earliest.Add(-expiryTolerance)):
		return fmt.Errorf("%q has value %d, which expires at %v, too early: it was put for %v", key, id, o.ExpiresAt, w.ttl)
	case w.ttl > 0 && !w.expires.IsZero() && o.ExpiresAt.Sub(w.expires).Abs() > expiryTolerance+m.harness.Drift:
		return fmt.Errorf("%q has value %d, which expires at %v and before at %v", key, id, o.ExpiresAt, w.expires)
	case w.ttl > 0:
		w.expires = o.ExpiresAt
	}
	etags := m.etags[key]
	if etags == nil {
		etags = make(map[string]int)
		m.etags[key] = etags
	}
	if other, known := etags[o.ETag]; known && other != id {
		return fmt.Errorf("%q has the etag %s with value %d and with value %d", key, o.ETag, other, id)
	}
	if !m.harness.ManyETags && !m.cell(key).copied[id] {
		for etag, v := range etags {
			if v == id && etag != o.ETag {
				return fmt.Errorf("%q has value %d with the etag %s and with %s", key, id, etag, o.ETag)
			}
		}
	}
	etags[o.ETag] = id
	return nil
}

func (m *model) keys() []string { return slices.Sorted(maps.Keys(m.cells)) }

func (c *cell) String() string {
	s := fmt.Sprint(slices.Sorted(maps.Keys(c.possible)))
	if !maps.Equal(c.possible, c.loose) {
		s += fmt.Sprintf(", at less than Strong consistency %v", slices.Sorted(maps.Keys(c.loose)))
	}
	if len(c.pending) > 0 {
		s += fmt.Sprintf(", of which can land later %v", slices.Sorted(maps.Keys(c.pending)))
	}
	return s
}
