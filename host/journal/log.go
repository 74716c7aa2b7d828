package journal

import (
	"maps"
	"slices"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/turn"
)

// Log holds the debts of one policy. A target is the reference of a child. All
// methods but Intent.Wait return without waiting for the disk unless they say
// otherwise.
type Log struct {
	journal *Journal
	name    string
	keeps   bool // drops no debt, see Keeping
	targets map[string]*target
	turns   turn.Keys
}

// Entry is a debt.
type Entry struct {
	Target, Key string
	// Version is the newest that was begun and not paid.
	Version uint64
	// Note is what the policy wrote beside it.
	Note string
	// Since is when the oldest write began that this entry stands for.
	Since time.Time
}

// Targets returns all targets that the log knows of, also such as are no longer
// children of the policy, sorted.
func (l *Log) Targets() []string {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	return slices.Sorted(maps.Keys(l.targets))
}

// Settle pays the debt of target for key up to version: an entry whose version
// is not newer is gone.
func (l *Log) Settle(target, key string, version uint64) {
	j := l.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if t, e := l.find(target, key); e != nil {
		e.pay(version)
		t.refresh(e)
	}
}

// Owes reports whether target lacks, or may lack, an acknowledged write to key,
// and the newest such version. It is cheap and does not allocate. Of a dirty
// target nobody knows: then it says no, see Dirty.
func (l *Log) Owes(target, key string) (version uint64, owes bool) {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	t, e := l.find(target, key)
	if e == nil || t.dirty {
		return 0, false
	}
	version = e.lacks()
	return version, version != 0
}

// Entry returns the entry of target for key, ripe or not.
func (l *Log) Entry(target, key string) (Entry, bool) {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	t, e := l.find(target, key)
	if e == nil {
		return Entry{}, false
	}
	return t.export(e)
}

// Ripe returns at most limit ripe entries of target, the oldest first.
func (l *Log) Ripe(target string, limit int) []Entry {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	t := l.targets[target]
	if t == nil {
		return nil
	}
	return t.ripe(t.order.first, limit)
}

// RipeAfter is Ripe for those that come after an entry that Ripe or RipeAfter
// returned. With it, entries that cannot be paid do not hide those behind them.
func (l *Log) RipeAfter(target string, after Entry, limit int) []Entry {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	t, e := l.find(target, after.Key)
	if t == nil {
		return nil
	}
	if e != nil && e.at == after.Since.UnixNano() {
		return t.ripe(e.next, limit)
	}
	from := t.order.first
	for from != nil && from.at <= after.Since.UnixNano() {
		from = from.next
	}
	return t.ripe(from, limit)
}

// Wake returns a channel that receives, without blocking anybody, after an entry
// of target became ripe or target became dirty. There is one channel for each
// target, and it holds one such news until it is received.
func (l *Log) Wake(target string) <-chan struct{} {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	return l.target(target).wake
}

func (l *Log) find(target, key string) (*target, *entry) {
	t := l.targets[target]
	if t == nil {
		return nil, nil
	}
	return t, t.entries[key]
}

func (t *target) ripe(from *entry, limit int) []Entry {
	var ripe []Entry
	if t.dirty {
		return nil
	}
	for e := from; e != nil && len(ripe) < limit; e = e.next {
		if t.log.keeps || e.ripe() {
			out, _ := t.export(e)
			ripe = append(ripe, out)
		}
	}
	return ripe
}

func (t *target) export(e *entry) (Entry, bool) {
	version, note, since := e.owed()
	if version == 0 {
		return Entry{}, false
	}
	return Entry{Target: t.name, Key: e.key, Version: version, Note: note, Since: time.Unix(0, since)}, true
}
