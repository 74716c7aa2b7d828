package journal

import (
	"context"
	"errors"
	"fmt"
)

// Begin records that each of targets is about to be given version of key, and
// begins to make that durable. Until the intent says how a target fared, the
// entry is under way and not ripe. A target that occurs twice counts once.
//
// Version 0 and a note over [MaxNoteBytes] are refused: nothing is recorded,
// and Wait says so. A journal that failed or was closed still records in
// memory, and Wait says so too.
func (l *Log) Begin(key string, version uint64, note string, targets ...string) *Intent {
	i := &Intent{journal: l.journal, version: version}
	if i.refusal = refusal(version, note); i.refusal != nil {
		return i
	}
	i.ends = make([]end, 0, len(targets))
	j := l.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	i.refusal = j.halt
	now := j.tick()
	for _, name := range targets {
		if i.end(name) == nil {
			i.begin(l.target(name), key, note, now)
		}
	}
	return i
}

func refusal(version uint64, note string) error {
	if version == 0 {
		return errors.New("the journal takes no version 0: it means that there is none")
	}
	if len(note) > MaxNoteBytes {
		return fmt.Errorf("a note of the journal has %d bytes; it may have %d", len(note), MaxNoteBytes)
	}
	return nil
}

// Intent is a write under way. Each of its targets ends with Done, Missed or
// Dropped, exactly once: what is said of a target that has ended, or that is
// none, is ignored. It is safe for concurrent use.
type Intent struct {
	journal *Journal
	version uint64
	refusal error   // why it cannot be made durable
	commit  *commit // makes it durable; nil: it is
	ends    []end
	running int // targets that have not ended
}

// end is how an intent ends at one target.
type end struct {
	target *target
	entry  *entry
	flight *flight // nil: it is done, dropped, or at rest
	ended  bool
	rests  bool // it is part of the entry's debt
}

func (i *Intent) begin(t *target, key, note string, now int64) {
	t.bound(now)
	e := t.entry(key)
	f := &flight{next: e.flights, version: i.version, since: now, note: note}
	e.flights = f
	t.refresh(e)
	t.bound(now)
	i.ends = append(i.ends, end{target: t, entry: e, flight: f})
	i.running++
	// Commits succeed in order, so the latest one speaks for all.
	switch pending := &i.journal.pending; {
	case !t.dirty:
		i.commit = pending.demand()
	case t.marked.underWay() && (i.commit == nil || t.marked == pending.commit):
		i.commit = t.marked
	}
}

// Wait returns when the intent is durable, or with the reason why it cannot be
// made so. If ctx ends first, the intent may become durable later.
func (i *Intent) Wait(ctx context.Context) error {
	switch {
	case i.refusal != nil:
		return i.refusal
	case i.commit == nil:
		return i.journal.fault.err()
	}
	return i.journal.await(ctx, i.commit)
}

// Acknowledged says that the write is about to be acknowledged: from now on a
// target that has not been done lacks an acknowledged write, see Owes. Call it
// after Wait.
func (i *Intent) Acknowledged() {
	i.journal.mu.Lock()
	defer i.journal.mu.Unlock()
	for n := range i.ends {
		d := &i.ends[n]
		if d.flight != nil {
			d.flight.acked = true
		}
		if d.rests && d.entry.version >= i.version && d.entry.paid < i.version {
			d.entry.acked = max(d.entry.acked, i.version)
		}
	}
}

// Done says that target has this version or a newer one. It pays what target
// owes for the key up to this version, also what is under way and ends later.
func (i *Intent) Done(target string) {
	i.land(target, func(d *end) {
		d.entry.pay(i.version)
		d.entry.land(d.flight)
		d.flight = nil
	})
}

// Missed says that target may lack this version: its entry becomes ripe, once
// no other write is under way for it.
func (i *Intent) Missed(target string) {
	i.land(target, func(d *end) { d.flight.missed = true })
}

// Dropped says that the write is known not to have happened anywhere: the
// entry of target is as if this intent had not begun.
func (i *Intent) Dropped(target string) {
	i.land(target, func(d *end) {
		d.entry.land(d.flight)
		d.flight = nil
	})
}

func (i *Intent) land(target string, how func(*end)) {
	i.journal.mu.Lock()
	defer i.journal.mu.Unlock()
	d := i.end(target)
	if d == nil || d.ended {
		return
	}
	d.ended = true
	how(d)
	d.target.refresh(d.entry)
	if i.running--; i.running > 0 {
		return
	}
	for n := range i.ends {
		i.ends[n].rest()
	}
}

// rest makes what was missed a debt at rest, or a reason to scan the target
// once more, after the write has ended everywhere.
func (d *end) rest() {
	f := d.flight
	if f == nil {
		return
	}
	d.flight = nil
	d.entry.land(f)
	switch {
	case f.version <= d.entry.paid:
	case d.target.dirty:
		d.target.missedWhileDirty()
	default:
		d.entry.owe(f)
		d.rests = true
	}
	d.target.refresh(d.entry)
}

func (i *Intent) end(target string) *end {
	for n := range i.ends {
		if i.ends[n].target.name == target {
			return &i.ends[n]
		}
	}
	return nil
}
