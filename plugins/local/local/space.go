package local

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// ballastBytes are set aside for the index, so that a disk that somebody
	// else fills to the last byte still takes deletes and what the index
	// writes in the background.
	ballastBytes = 8 << 20
	// freeBytes is what puts leave free on the disk.
	freeBytes = 8 << 20
)

// space watches over the room on the disk.
type space struct {
	directory string
	ballast   string // path of the file
	logger    *slog.Logger
	// spent: the ballast was given to the index, and puts are refused until
	// it is back.
	spent     atomic.Bool
	restoring sync.Mutex
}

func newSpace(d *directory, logger *slog.Logger) *space {
	s := &space{directory: d.path, ballast: d.sub(ballastName), logger: logger}
	info, err := os.Stat(s.ballast)
	s.spent.Store(err != nil || info.Size() != ballastBytes)
	s.restore()
	return s
}

// check fails with QuotaExceeded if n more bytes would leave too little room.
func (s *space) check(n int64) error {
	if s.spent.Load() && !s.restore() {
		return storage.Errorf(storage.CodeQuotaExceeded, "the disk that holds %s is full: delete objects or free at least %d MiB", s.directory, (ballastBytes+freeBytes)>>20)
	}
	if available, ok := s.available(); ok && available-freeBytes < n {
		return storage.Errorf(storage.CodeQuotaExceeded, "the disk that holds %s has %d bytes left; %d are wanted, and %d MiB stay free", s.directory, available, n, freeBytes>>20)
	}
	return nil
}

func (s *space) available() (bytes int64, ok bool) {
	usage, err := vfs.Default.GetDiskUsage(s.directory)
	return int64(min(usage.AvailBytes, 1<<62)), err == nil //nolint:gosec // bounded
}

// spend gives the ballast up. It is called by the index with its writes
// stopped.
func (s *space) spend() {
	if !s.spent.Swap(true) {
		s.logger.Warn("the disk is full: puts are refused until there is room", "directory", s.directory)
	}
	if err := os.Remove(s.ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.logger.Error("the ballast could not be removed", "error", err)
	}
}

// restore sets the ballast aside again if there is room, and reports whether
// it is there.
func (s *space) restore() bool {
	s.restoring.Lock()
	defer s.restoring.Unlock()
	if !s.spent.Load() {
		return true
	}
	if available, ok := s.available(); !ok || available < ballastBytes+freeBytes {
		return false
	}
	// Zeros would be compressed away by some file systems; that they are
	// written at all is what matters on the others.
	if err := os.WriteFile(s.ballast, make([]byte, ballastBytes), 0o600); err != nil {
		_ = os.Remove(s.ballast)
		return false
	}
	s.spent.Store(false)
	return true
}
