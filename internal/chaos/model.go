package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// tick orders the beginnings and ends of operations.
type tick uint64

// outcome is what is known of a write.
type outcome uint8

const (
	underWay outcome = iota
	acknowledged
	unknown // it may have happened, and may still become visible
	failed  // it did not happen
)

func (o outcome) String() string {
	return [...]string{"under way", "acknowledged", "unknown", "did not happen"}[o]
}

// update is a put or a delete of a key.
type update struct {
	id         id
	deletes    bool
	size       int
	start, end tick // end is 0 while it is under way
	outcome    outcome
	etag       string // as soon as anybody has seen it
	replacedBy *update
	shown      bool // a read returned it
}

func (u *update) String() string {
	switch {
	case u.id == id{}:
		return "nothing, as at the beginning"
	case u.deletes:
		return "delete " + u.id.String()
	default:
		return fmt.Sprintf("put %s (%d bytes)", u.id, u.size)
	}
}

// object is what is known of one key.
type object struct {
	key     string
	owned   bool // by the caller that writes it; others wait for their turn
	busy    bool // owned, and by somebody now
	updates []*update
	// An update that ended before the floor is in the past: a later one, that
	// began at the floor, has been acknowledged. Strong reads have a floor of
	// their own, since what one has shown no later one may take back.
	floor, strongFloor tick
	history            history
}

// model knows which states each key may be in. A read that began at a time may
// return an update if no later one was acknowledged by then: one that began
// after the end of the first. So a write of unknown outcome may be returned at
// any time until a later write is acknowledged, and then never again. This holds
// for keys with one writer as for those with several.
type model struct {
	began time.Time

	mu        sync.Mutex
	now       tick
	objects   []*object // those that have many writers come last
	shared    int       // how many these are
	byKey     map[string]*object
	torment   history
	violation []string
	broken    chan struct{} // closed at the first violation
}

func newModel(keys, shared int) *model {
	m := &model{began: time.Now(), byKey: make(map[string]*object), shared: shared, now: 1, broken: make(chan struct{})}
	for i := range keys + shared {
		o := &object{key: fmt.Sprintf("own/%04d", i), owned: true}
		if i >= keys {
			o.key, o.owned = fmt.Sprintf("shared/%02d", i-keys), false
		}
		o.updates = []*update{{deletes: true, start: 0, end: 1, outcome: acknowledged}}
		m.objects = append(m.objects, o)
		m.byKey[o.key] = o
	}
	return m
}

func (m *model) tick() tick {
	m.now++
	return m.now
}

func (m *model) since() time.Duration { return time.Since(m.began) }

// violate notes that a promise was broken. m.mu is held.
func (m *model) violate(o *object, format string, args ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	if o != nil {
		o.history.note(m.since(), "VIOLATION: %s", b.String())
		fmt.Fprintf(&b, "\nThe history of %q, in seconds, with what was done to the processes:\n", o.key)
		writeTo(&b, &o.history, &m.torment)
	}
	if len(m.violation) == 0 {
		close(m.broken)
	}
	m.violation = append(m.violation, b.String())
}

// fault notes a broken promise that is not about one key.
func (m *model) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.violate(nil, format, args...)
}

func (m *model) violations() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.violation)
}

func (m *model) tormented(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.torment.note(m.since(), format, args...)
}

// any returns a key: one of those that have many writers more often than others.
func (m *model) any(random *rand.Rand) *object {
	if random.IntN(4) == 0 {
		return m.objects[len(m.objects)-1-random.IntN(m.shared)]
	}
	return m.objects[random.IntN(len(m.objects))]
}

// claim returns a key to write, which nobody else writes, if it is an owned one,
// until it is released.
func (m *model) claim(random *rand.Rand) *object {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		o := m.any(random)
		if !o.busy {
			o.busy = o.owned
			return o
		}
	}
}

func (m *model) release(o *object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o.busy = false
}

// allowed reports whether a read with that floor may return u.
func (u *update) allowed(floor tick) bool {
	return u.outcome != failed && (u.end == 0 || u.end > floor)
}

// candidates are the updates that a read with that floor may return, of those
// that chosen chooses.
func (o *object) candidates(floor tick, chosen func(*update) bool) []*update {
	var all []*update
	for _, u := range o.updates {
		if u.allowed(floor) && chosen(u) {
			all = append(all, u)
		}
	}
	return all
}

func deletes(u *update) bool { return u.deletes }
func stores(u *update) bool  { return !u.deletes }

func (o *object) find(i id) *update {
	for _, u := range slices.Backward(o.updates) {
		if u.id == i {
			return u
		}
	}
	return nil
}
