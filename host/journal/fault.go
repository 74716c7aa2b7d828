package journal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// fault is the end of a database: set once, when it can no longer be trusted
// to write. From then on no byte reaches the directory, as if the process had
// crashed there; opening the journal again recovers it.
//
// It is the database's logger too, because that is how pebble reports what it
// cannot survive, expecting the process to end.
type fault struct {
	logger *slog.Logger
	halt   func(error) // told first
	once   sync.Once
	cause  atomic.Pointer[error]
	set    chan struct{}
}

func newFault(logger *slog.Logger, halt func(error)) *fault {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &fault{logger: logger, halt: halt, set: make(chan struct{})}
}

func (f *fault) fail(cause error) {
	f.once.Do(func() {
		err := fmt.Errorf("the journal failed; free or repair the disk and restart the host to recover: %w", cause)
		f.cause.Store(&err)
		close(f.set)
		f.halt(err)
		f.logger.Error("the journal failed", "error", cause)
	})
}

// err returns nil or why the database failed.
func (f *fault) err() error {
	if cause := f.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

// MaybeError implements errorfs.Injector: it is the fence between a failed
// database and its files.
func (f *fault) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		return f.err()
	}
	return nil
}

// String implements errorfs.Injector.
func (f *fault) String() string { return "fault" }

// Infof implements pebble.Logger.
func (f *fault) Infof(format string, args ...any) {
	if f.logger.Enabled(context.Background(), slog.LevelDebug) {
		f.logger.Debug(fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger.
func (f *fault) Errorf(format string, args ...any) { f.logger.Warn(fmt.Sprintf(format, args...)) }

// Fatalf implements pebble.Logger. Unlike what pebble expects it returns: what
// pebble does afterwards stays in memory.
func (f *fault) Fatalf(format string, args ...any) { f.fail(fmt.Errorf(format, args...)) }

func (f *fault) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			f.logger.Warn("the journal could not be written in the background; it will be tried again", "error", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.logger.Error("the journal is damaged", "path", info.Path, "error", info.Details)
		},
	}
}
