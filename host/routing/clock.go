package routing

import (
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxClockSkew is how far the version of an object may lie in the future before
// it is taken for the work of a broken clock rather than of a fast one.
const MaxClockSkew = 24 * time.Hour

const counterBits = 16 // of a storage.Version, below the milliseconds

// Clock is a hybrid logical clock: the versions it gives grow, follow the
// system's time, and are greater than every version it was shown, also when the
// time of another host is ahead. It is safe for concurrent use.
type Clock struct {
	now func() time.Time

	mu   sync.Mutex
	last storage.Version
}

// NewClock returns a clock that follows the system's time.
func NewClock() *Clock { return &Clock{now: time.Now} }

// Next returns a version greater than all before.
func (c *Clock) Next() storage.Version {
	now := versionAt(c.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, now)
	return c.last
}

// Observe makes the clock give only versions greater than v from now on. A
// version more than [MaxClockSkew] ahead is Internal and changes nothing:
// following it would spoil the order of all that is written from now on.
func (c *Clock) Observe(v storage.Version) error {
	if ahead := versionTime(v).Sub(c.now()); ahead > MaxClockSkew {
		return storage.Errorf(storage.CodeInternal,
			"the object's version lies %v in the future: set the clock of the host that wrote it, and write the object anew under another key", ahead.Round(time.Minute))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, v)
	return nil
}

// versionAt is the least version of a time.
func versionAt(t time.Time) storage.Version {
	return storage.Version(max(t.UnixMilli(), 0)) << counterBits //nolint:gosec // not negative
}

// versionTime is the time in a version.
func versionTime(v storage.Version) time.Time {
	return time.UnixMilli(int64(v >> counterBits)) //nolint:gosec // 48 bits
}
