package journal

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Defaults of [Options], and limits.
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxAge   = 7 * 24 * time.Hour
	// MaxNoteBytes is the longest note of an entry.
	MaxNoteBytes = 256
	// MaxValueBytes is the longest value of SetValue, MaxValues how many there
	// may be.
	MaxValueBytes = 64 << 10
	MaxValues     = 4096
)

// ErrClosed is what waits for a journal that was closed.
var ErrClosed = errors.New("the journal is closed")

// Options modify Open.
type Options struct {
	// MaxBytes bounds the debts of one target of one log, in bytes of keys and
	// notes with 64 bytes for each entry. Writes under way count. 0 means
	// [DefaultMaxBytes].
	MaxBytes int64
	// MaxAge is how old the oldest debt of a target may become. 0 means
	// [DefaultMaxAge].
	MaxAge time.Duration
	// Logger is told when the disk fails. Nil: nobody is.
	Logger *slog.Logger

	files vfs.FS           // nil outside of tests
	now   func() time.Time // likewise
}

// Journal is a directory of logs. It is safe for concurrent use. One process at
// a time can have it open.
type Journal struct {
	db       *pebble.DB
	lock     *pebble.Lock
	fault    *fault
	maxBytes int64
	maxAge   time.Duration
	now      func() time.Time
	newest   uint64 // version that Open found

	work    chan struct{} // something is pending
	closing chan struct{}
	drained chan struct{} // the committer has ended

	mu      sync.RWMutex // guards all below, and logs and intents
	logs    map[string]*Log
	values  map[string][]byte
	last    int64 // newest time given out
	pending pending
	closed  bool
	halt    error // why nothing is written any more
}

// Newest returns the greatest version of all entries that Open found, 0 if it
// found none: versions to come must be greater, whatever the clock says now.
func (j *Journal) Newest() uint64 { return j.newest }

// stop ends all writing for a reason.
func (j *Journal) stop(cause error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.halt, j.pending = cause, pending{}
}

// tick returns the time, which never stands still, so that entries have an
// order. j.mu is held.
func (j *Journal) tick() int64 {
	j.last = max(j.now().UnixNano(), j.last+1)
	return j.last
}

// Log returns the log of a policy; the same for the same name.
func (j *Journal) Log(policy string) *Log {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log(policy)
}

func (j *Journal) log(policy string) *Log {
	l := j.logs[policy]
	if l == nil {
		l = &Log{journal: j, name: policy, keeps: isKeeping(policy), targets: make(map[string]*target)}
		j.logs[policy] = l
	}
	return l
}

// await waits until c is durable.
func (j *Journal) await(ctx context.Context, c *commit) error {
	select {
	case <-c.done: // first of all, also if the journal failed since
		return c.err
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-j.fault.set:
		return j.fault.err()
	case <-ctx.Done():
		return waitError{ctx.Err()}
	}
}

// waitError is the end of a caller's patience.
type waitError struct{ cause error }

func (e waitError) Error() string {
	return "the journal's disk did not confirm the write in time: " + e.cause.Error()
}

func (e waitError) Unwrap() error { return e.cause }
