package journal

import (
	"context"
	"fmt"
	"time"
)

// Backlog describes the debts of a target.
type Backlog struct {
	Target string `json:"target"`
	// Entries, their Bytes and when the Oldest began, with writes under way.
	Entries int       `json:"entries"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero"`
	// Dirty: debts were dropped, for the reason; the target must be scanned.
	Dirty  bool   `json:"dirty,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Backlog returns the state of a target.
func (l *Log) Backlog(target string) Backlog {
	j := l.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	b := Backlog{Target: target}
	t := l.targets[target]
	if t == nil {
		return b
	}
	t.bound(j.tick())
	b.Entries, b.Bytes, b.Dirty, b.Reason = t.count, t.bytes, t.dirty, t.reason
	if t.order.first != nil {
		b.Oldest = time.Unix(0, t.order.first.at)
	}
	return b
}

// Dirty reports whether target must be scanned, and a mark of this state for
// Clean. It is cheap and does not allocate.
//
// The mark moves on when the target is marked again, when a write that was
// begun while it was dirty is missed, and when the journal is opened: writes
// that were under way then were perhaps missed.
func (l *Log) Dirty(target string) (mark uint64, dirty bool) {
	j := l.journal
	j.mu.RLock()
	defer j.mu.RUnlock()
	t := l.targets[target]
	if t == nil {
		return 0, false
	}
	return t.mark, t.dirty
}

// MarkDirty says durably that target must be scanned, and drops its debts. It
// waits for the disk.
func (l *Log) MarkDirty(target, reason string) error {
	j := l.journal
	j.mu.Lock()
	err := j.halt
	t := l.target(target)
	t.soil(reason)
	c := t.marked
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.await(context.Background(), c)
}

// Clean takes the mark back after a full scan that began when Dirty returned
// mark. If target was marked again since, it stays dirty. It waits for the disk.
// Writes under way are recorded from then on.
func (l *Log) Clean(target string, mark uint64) error {
	j := l.journal
	c, err := l.clean(target, mark)
	if err != nil || c == nil {
		return err
	}
	return j.await(context.Background(), c)
}

func (l *Log) clean(target string, mark uint64) (*commit, error) {
	j := l.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.halt != nil {
		return nil, j.halt
	}
	t := l.targets[target]
	if t == nil || !t.dirty || t.mark != mark {
		return nil, nil //nolint:nilnil // nothing to wait for
	}
	t.dirty, t.reason = false, ""
	for _, e := range t.entries {
		j.queueEntry(t, e)
	}
	t.marked = j.queueTarget(t, true)
	return t.marked, nil
}

// bound makes t dirty if it owes too much, or for too long.
func (t *target) bound(now int64) {
	j := t.log.journal
	switch {
	case t.dirty, t.log.keeps:
	case t.bytes > j.maxBytes:
		t.soil(fmt.Sprintf("it owes more than the %d bytes of writes that the journal may keep for it", j.maxBytes))
	case t.order.first != nil && now-t.order.first.at > int64(j.maxAge):
		t.soil(fmt.Sprintf("it owes writes for longer than %s", j.maxAge))
	}
}

// soil makes t dirty, or dirty again, and drops what it owes but for the writes
// under way.
func (t *target) soil(reason string) {
	t.mark++
	t.reason = reason
	if !t.dirty {
		t.dirty, t.erase = true, true
		all := t.entries
		t.entries, t.order, t.count, t.bytes = make(map[string]*entry), order{}, 0, 0
		for key, e := range all {
			e.forgive()
			e.at, e.prev, e.next, e.size, e.stored = 0, nil, nil, 0, false
			if e.flights == nil {
				e.gone = true
				continue
			}
			t.entries[key] = e
			t.refresh(e)
		}
	}
	t.marked = t.log.journal.queueTarget(t, true)
	t.notify()
}

// missedWhileDirty makes the mark move on: a scan may have passed the key. It
// need not be durable, since opening the journal does the same.
func (t *target) missedWhileDirty() {
	t.mark++
	t.log.journal.queueTarget(t, false)
	t.notify()
}
