package local

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// defaultWatchHistory is how many events a watcher can be behind.
const defaultWatchHistory = 8192

// logEntry is an event and its position in the change log. Positions ascend;
// those of failed commits are missing.
type logEntry struct {
	position uint64
	kind     storage.EventKind
	key      string
	etag     string
}

// eventOf is the event of a write that made next of key; nil: deleted it.
func eventOf(key string, next *record) logEntry {
	if next == nil {
		return logEntry{kind: storage.EventDelete, key: key}
	}
	return logEntry{kind: storage.EventPut, key: key, etag: next.object.ETag}
}

// changeLog numbers the commits, says which of them have ended, and keeps the
// newest events for watchers in a ring.
type changeLog struct {
	// origin identifies the store whose positions these are.
	origin uint64
	// settled: all commits up to this position have ended.
	settled atomic.Uint64

	mu      sync.Mutex
	next    uint64 // position to be given
	pending []pendingCommit
	ring    []logEntry
	start   int // index of the oldest entry once the ring is full
	history int
	last    uint64        // position of the newest entry ever
	dropped uint64        // position of the newest entry that left the ring
	moved   chan struct{} // closed when settled moves; nil if nobody waits
}

type pendingCommit struct {
	*commit
	ended, failed bool
}

func (p pendingCommit) last() uint64 { return p.events[len(p.events)-1].position }

// newChangeLog continues a log with its newest entries; dropped is the newest
// position that may have had an entry before them.
func newChangeLog(origin uint64, history int, entries []logEntry, dropped uint64) *changeLog {
	l := &changeLog{origin: origin, history: history, dropped: dropped, last: dropped}
	for _, e := range entries {
		l.append(e)
	}
	l.next = l.last + 1
	l.settled.Store(l.last)
	return l
}

// begin gives positions to the events of c, which is not empty and must end.
func (l *changeLog) begin(c *commit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range c.events {
		c.events[i].position = l.next
		l.next++
	}
	for i := range c.changes {
		if next := c.changes[i].next; next != nil {
			next.position = l.next - 1
		}
	}
	l.pending = append(l.pending, pendingCommit{commit: c})
}

// end publishes the events of c, unless it failed, as soon as all commits
// before it have ended.
func (l *changeLog) end(c *commit, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.pending, func(p pendingCommit) bool { return p.commit == c })
	l.pending[i].ended, l.pending[i].failed = true, failed
	done := 0
	for done < len(l.pending) && l.pending[done].ended {
		p := &l.pending[done]
		if !p.failed {
			for _, e := range p.events {
				l.append(e)
			}
		}
		l.settled.Store(p.last())
		done++
	}
	if done > 0 {
		l.pending = slices.Delete(l.pending, 0, done)
		l.wake()
	}
}

func (l *changeLog) append(e logEntry) {
	l.last = e.position
	if len(l.ring) < l.history {
		l.ring = append(l.ring, e)
		return
	}
	l.dropped = l.ring[l.start].position
	l.ring[l.start] = e
	l.start = (l.start + 1) % l.history
}

func (l *changeLog) entry(i int) *logEntry { return &l.ring[(l.start+i)%len(l.ring)] }

func (l *changeLog) wake() {
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

// waiter returns a channel that is closed at the next move. l.mu is held.
func (l *changeLog) waiter() <-chan struct{} {
	if l.moved == nil {
		l.moved = make(chan struct{})
	}
	return l.moved
}

// waitSettled waits until all commits up to position have ended.
func (l *changeLog) waitSettled(ctx context.Context, position uint64) error {
	for {
		if l.settled.Load() >= position {
			return nil
		}
		l.mu.Lock()
		if l.settled.Load() >= position {
			l.mu.Unlock()
			return nil
		}
		moved := l.waiter()
		l.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// issued returns the newest position given to a commit.
func (l *changeLog) issued() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// pendingDelete returns the position of a commit that is deleting key now, or
// 0.
func (l *changeLog) pendingDelete(key string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pending {
		for i := range p.changes {
			if c := &p.changes[i]; c.next == nil && c.key == key {
				return p.last()
			}
		}
	}
	return 0
}
