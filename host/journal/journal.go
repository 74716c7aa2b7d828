package journal

import (
	"context"
	"time"
)

// Defaults of [Options], and limits.
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxAge   = 7 * 24 * time.Hour
	// MaxNoteBytes is the longest note of an entry.
	MaxNoteBytes = 256
)

// Options modify Open.
type Options struct {
	// MaxBytes bounds the debts of one target of one log, in bytes of keys and
	// notes with 64 bytes for each entry. 0 means [DefaultMaxBytes].
	MaxBytes int64
	// MaxAge is how old the oldest debt of a target may become. 0 means
	// [DefaultMaxAge].
	MaxAge time.Duration
}

// Journal is a directory of logs. It is safe for concurrent use. One process at
// a time can have it open.
type Journal struct{}

// Open opens the journal in dir and creates it if there is none. Everything that
// was begun before and not paid is a debt that was acknowledged and is ripe.
func Open(dir string, o Options) (*Journal, error) { panic("TODO") }

// Close makes what was told so far durable and ends the use of the journal.
func (j *Journal) Close() error { panic("TODO") }

// Log returns the log of a policy; the same for the same name.
func (j *Journal) Log(policy string) *Log { panic("TODO") }

// Value returns what SetValue kept under name, nil if nothing.
func (j *Journal) Value(name string) ([]byte, error) { panic("TODO") }

// SetValue keeps a small value durably; nil removes it.
func (j *Journal) SetValue(name string, value []byte) error { panic("TODO") }

// Log holds the debts of one policy. A target is the reference of a child. All
// methods but Intent.Wait return without waiting for the disk unless they say
// otherwise.
type Log struct{}

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

// Begin records that each of targets is about to be given version of key, and
// begins to make that durable. Until the intent says how a target fared, the
// entry is under way and not ripe.
func (l *Log) Begin(key string, version uint64, note string, targets ...string) *Intent {
	panic("TODO")
}

// Intent is a write under way. Each of its targets ends with Done, Missed or
// Dropped, exactly once. It is safe for concurrent use.
type Intent struct{}

// Wait returns when the intent is durable, or with the reason why it cannot be
// made so.
func (i *Intent) Wait(ctx context.Context) error { panic("TODO") }

// Acknowledged says that the write is about to be acknowledged: from now on a
// target that has not been done lacks an acknowledged write, see Owes. Call it
// after Wait.
func (i *Intent) Acknowledged() { panic("TODO") }

// Done says that target has this version or a newer one.
func (i *Intent) Done(target string) { panic("TODO") }

// Missed says that target may lack this version: its entry becomes ripe.
func (i *Intent) Missed(target string) { panic("TODO") }

// Dropped says that the write is known not to have happened anywhere: the
// entry of target is as if this intent had not begun.
func (i *Intent) Dropped(target string) { panic("TODO") }

// Settle pays the debt of target for key up to version: an entry whose version
// is not newer is gone.
func (l *Log) Settle(target, key string, version uint64) { panic("TODO") }

// Owes reports whether target lacks, or may lack, an acknowledged write to key,
// and the newest such version. It is cheap and does not allocate.
func (l *Log) Owes(target, key string) (version uint64, owes bool) { panic("TODO") }

// Entry returns the entry of target for key, ripe or not.
func (l *Log) Entry(target, key string) (Entry, bool) { panic("TODO") }

// Ripe returns at most limit ripe entries of target, the oldest first.
func (l *Log) Ripe(target string, limit int) []Entry { panic("TODO") }

// Wake returns a channel that receives, without blocking anybody, after an entry
// of target became ripe. There is one channel for each target.
func (l *Log) Wake(target string) <-chan struct{} { panic("TODO") }

// Backlog describes the debts of a target.
type Backlog struct {
	Target  string    `json:"target"`
	Entries int       `json:"entries"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero"`
	// Dirty: debts were dropped, for the reason; the target must be scanned.
	Dirty  bool   `json:"dirty,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Backlog returns the state of a target.
func (l *Log) Backlog(target string) Backlog { panic("TODO") }

// Dirty reports whether target must be scanned, and a mark of this state for
// Clean. It is cheap and does not allocate.
func (l *Log) Dirty(target string) (mark uint64, dirty bool) { panic("TODO") }

// MarkDirty says durably that target must be scanned.
func (l *Log) MarkDirty(target, reason string) error { panic("TODO") }

// Clean takes the mark back after a full scan that began when Dirty returned
// mark. If target was marked again since, it stays dirty. It waits for the disk.
func (l *Log) Clean(target string, mark uint64) error { panic("TODO") }
