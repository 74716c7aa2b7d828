package journal

import (
	"maps"
	"math"
	"slices"
)

// model is a log that is obviously right: it lists writes.
type model struct {
	maxBytes int64
	targets  map[string]*modelTarget
	values   map[string]string
}

type modelTarget struct {
	dirty   bool
	entries map[string]*modelEntry
}

// modelEntry lists what is under way or owed, and nothing that is neither.
type modelEntry struct {
	paid   uint64
	writes []*modelWrite
}

type modelWrite struct {
	key           string
	version       uint64
	note          string
	acked, missed bool
	rests         bool // missed, and its intent ended everywhere
}

type modelIntent struct {
	at     int // in the history: what waiting for it makes durable
	writes map[string]*modelWrite
	ended  map[string]bool
	real   *Intent
}

func newModel(maxBytes int64) *model {
	m := &model{maxBytes: maxBytes, targets: make(map[string]*modelTarget), values: make(map[string]string)}
	for _, target := range modelTargets {
		m.targets[target] = &modelTarget{entries: make(map[string]*modelEntry)}
	}
	return m
}

// newest is the newest write that is owed, nil if none.
func (e *modelEntry) newest(acked bool) *modelWrite {
	var newest *modelWrite
	for _, w := range e.writes {
		if w.version > e.paid && (w.acked || !acked) && (newest == nil || w.version > newest.version) {
			newest = w
		}
	}
	return newest
}

func (e *modelEntry) ripe() bool {
	return e.newest(false) != nil && !slices.ContainsFunc(e.writes, func(w *modelWrite) bool { return !w.missed })
}

func (t *modelTarget) tidy() {
	for key, e := range t.entries {
		e.writes = slices.DeleteFunc(e.writes, func(w *modelWrite) bool {
			return w.rests && (w.version <= e.paid || t.dirty)
		})
		if len(e.writes) == 0 {
			delete(t.entries, key)
		}
	}
}

func (t *modelTarget) bytes() (bytes int64) {
	for key, e := range t.entries {
		if w := e.newest(false); w != nil {
			bytes += int64(entryOverhead + len(key) + len(w.note))
		}
	}
	return bytes
}

func (m *model) bound(t *modelTarget) {
	if t.bytes() > m.maxBytes {
		t.dirty = true
		t.tidy()
	}
}

func (m *model) begin(key string, version uint64, note string, targets []string) *modelIntent {
	i := &modelIntent{writes: make(map[string]*modelWrite), ended: make(map[string]bool)}
	for _, target := range targets {
		t := m.targets[target]
		m.bound(t)
		w := &modelWrite{key: key, version: version, note: note}
		i.writes[target] = w
		e := t.entries[key]
		if e == nil {
			e = &modelEntry{}
			t.entries[key] = e
		}
		e.writes = append(e.writes, w)
		m.bound(t)
	}
	return i
}

func (m *model) end(i *modelIntent, target, how string) {
	if i.ended[target] {
		return
	}
	i.ended[target] = true
	t, w := m.targets[target], i.writes[target]
	e := t.entries[w.key]
	if how == "missed" {
		w.missed = true
	} else {
		if how == "done" {
			e.paid = max(e.paid, w.version)
		}
		e.writes = slices.DeleteFunc(e.writes, func(o *modelWrite) bool { return o == w })
	}
	if len(i.ended) == len(i.writes) {
		for _, w := range i.writes {
			w.rests = w.missed
		}
	}
	for target := range i.writes {
		m.targets[target].tidy()
	}
}

func (m *model) acknowledge(i *modelIntent) {
	for _, w := range i.writes {
		w.acked = true
	}
}

func (m *model) settle(target, key string, version uint64) {
	t := m.targets[target]
	if e := t.entries[key]; e != nil {
		e.paid = max(e.paid, version)
		t.tidy()
	}
}

// image is what the disk has of a model: all that is needed to go on after a
// crash.
type image struct {
	dirty   map[string]bool
	entries map[[2]string]modelWrite // by target and key
	values  map[string]string
}

func (m *model) image() image {
	im := image{make(map[string]bool), make(map[[2]string]modelWrite), maps.Clone(m.values)}
	for target, t := range m.targets {
		im.dirty[target] = t.dirty
		for key, e := range t.entries {
			if w := e.newest(false); w != nil && !t.dirty {
				im.entries[[2]string{target, key}] = modelWrite{key: key, version: w.version, note: w.note}
			}
		}
	}
	return im
}

func (im image) equal(other image) bool {
	return maps.Equal(im.dirty, other.dirty) && maps.Equal(im.entries, other.entries) && maps.Equal(im.values, other.values)
}

// become makes m what a journal is that was opened from an image.
func (m *model) become(im image) {
	*m = *newModel(m.maxBytes)
	m.values = maps.Clone(im.values)
	for target, t := range m.targets {
		t.dirty = im.dirty[target]
	}
	for at, w := range im.entries {
		w.acked, w.missed, w.rests = true, true, true
		m.targets[at[0]].entries[at[1]] = &modelEntry{writes: []*modelWrite{&w}}
	}
	for _, t := range m.targets {
		m.bound(t)
	}
}

// imageOf is what a real log knows.
func imageOf(l *Log) image {
	im := image{make(map[string]bool), make(map[[2]string]modelWrite), make(map[string]string)}
	for _, target := range modelTargets {
		_, im.dirty[target] = l.Dirty(target)
		for _, e := range l.Ripe(target, math.MaxInt) {
			im.entries[[2]string{target, e.Key}] = modelWrite{key: e.Key, version: e.Version, note: e.Note}
		}
	}
	for _, name := range modelValues {
		if v, err := l.journal.Value(name); err == nil && v != nil {
			im.values[name] = string(v)
		}
	}
	return im
}
