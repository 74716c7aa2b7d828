package storage

import "context"

// Watcher is implemented by backends that report changes.
type Watcher interface {
	// Watch opens a stream of the changes to keys that begin with
	// opts.Prefix. With no cursor it reports every write that begins after
	// Watch returned; with a cursor, every write since the event the cursor
	// came with. Events come at least once, for one key in the order of the
	// commits. A cursor the backend no longer knows gives a stream that begins
	// with a gap; one that is malformed is InvalidArgument.
	//
	// The stream ends when ctx does or it is closed.
	Watch(ctx context.Context, opts WatchOptions) (EventStream, error)
}

// WatchOptions modify Watch.
type WatchOptions struct {
	Prefix string
	Cursor string
}

// EventStream delivers events. It is used by one goroutine at a time.
type EventStream interface {
	// Next waits for the next event. Any error is final.
	Next(ctx context.Context) (Event, error)
	// Cursor is where a new Watch would continue: that of the last event Next
	// returned, or of the beginning. Never empty.
	Cursor() string
	// Close ends the stream. It is idempotent, and may be called while Next
	// waits, which then fails with Canceled.
	Close() error
}

// EventKind names what happened.
type EventKind uint8

// The kinds of an event.
const (
	// EventPut: the key has a new version, ETag.
	EventPut EventKind = iota + 1
	// EventDelete: the key was deleted, or expired and was swept.
	EventDelete
	// EventGap: events were lost between the one before and the next; the
	// watcher must list what it cares about. Key is empty.
	EventGap
)

// String returns "put", "delete" or "gap".
func (k EventKind) String() string {
	switch k {
	case EventPut:
		return "put"
	case EventDelete:
		return "delete"
	case EventGap:
		return "gap"
	default:
		return "unknown"
	}
}

// Event is one change.
type Event struct {
	Kind EventKind
	Key  string
	// ETag of the new version; empty for deletes and gaps.
	ETag string
	// Cursor resumes after this event.
	Cursor string
}
