package local

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fault is the end of an index: set once, when it can no longer be trusted to
// write. From then on no operation begins and no byte reaches the directory,
// as if the process had crashed there; opening the store again recovers it.
//
// It is the index's logger too, because that is how pebble reports what it
// cannot survive, expecting the process to end.
type fault struct {
	logger *slog.Logger
	once   sync.Once
	cause  atomic.Pointer[storage.Error]
	set    chan struct{}
}

func newFault(logger *slog.Logger) *fault {
	return &fault{logger: logger, set: make(chan struct{})}
}

func (f *fault) fail(cause error) {
	f.once.Do(func() {
		f.cause.Store(storage.Errorf(storage.CodeUnavailable, "the index failed; close the backend and open it again to recover: %w", cause))
		close(f.set)
		f.logger.Error("the index failed", "error", cause)
	})
}

// err returns nil or why the index failed.
func (f *fault) err() error {
	if cause := f.cause.Load(); cause != nil {
		return cause
	}
	return nil
}

// MaybeError implements errorfs.Injector: it is the fence between a failed
// index and its files.
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

// events are what is reported about the index. Damage found while reading is
// the reader's error and no reason to stop.
func (f *fault) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			f.logger.Warn("the index could not be written in the background; it will be tried again", "error", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.logger.Error("the index is damaged", "path", info.Path, "error", info.Details)
		},
	}
}
