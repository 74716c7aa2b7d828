package local

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultInlineLimit is the largest value that is kept in the index, in bytes.
// Up to here a put into the index, which shares its sync with others, is at
// least as fast as a file with a sync of its own (three times at 4 KiB, about
// even at 64 KiB: BenchmarkPlacement); above, files win, and are read without
// passing through memory as a whole.
const DefaultInlineLimit = 64 << 10

// DiskOptions configure OpenDisk. Path is required.
type DiskOptions struct {
	// Path is the directory of the store. It is created with mode 0700 if it
	// does not exist; one that holds anything else is refused.
	Path string
	// MaxBytes bounds keys, values, metadata and 256 bytes for each object,
	// stored and being written, together; beyond it writes fail with
	// QuotaExceeded. An overwrite needs room for both versions until it is
	// done. Copies count in full. What the directory takes on the disk is
	// more. 0: no bound but the disk.
	MaxBytes int64
	// InlineLimit is the largest value that is kept in the index instead of a
	// file of its own, in bytes, at most 1 MiB. It may be changed between
	// openings. 0: 64 KiB.
	InlineLimit int64
	// SweepInterval, WatchHistory and Logger are as in MemoryOptions. The
	// history survives closing and crashes.
	SweepInterval time.Duration
	WatchHistory  int
	Logger        *slog.Logger

	indexFiles vfs.FS           // nil: the file system; tests make it fail
	now        func() time.Time // nil: time.Now
}

// MaxInlineLimit is the largest InlineLimit.
const MaxInlineLimit = 1 << 20

// OpenDisk opens the store in a directory, and creates it if need be. The
// directory is locked for this store until it is closed; one that is in use is
// Unavailable. ctx bounds nothing but the opening.
func OpenDisk(ctx context.Context, opts DiskOptions) (storage.Backend, error) {
	s, err := openDisk(ctx, opts)
	if err != nil {
		return nil, storage.Annotate(err, "open", "")
	}
	return s, nil
}

func openDisk(ctx context.Context, opts DiskOptions) (_ *store, err error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &store{
		versions: newVersionSource(),
		quota:    &quota{limit: opts.MaxBytes},
		logger:   cmp.Or(opts.Logger, slog.New(slog.DiscardHandler)),
		now:      opts.now,
		caps:     capabilities(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.caps.Durable, s.caps.Exclusive = true, true
	e, err := openDiskEngine(s, opts)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = cmp.Or(err, e.close(false))
		}
	}()
	entries, dropped, err := e.index.events()
	if err != nil {
		return nil, err
	}
	if err := e.countUsed(ctx); err != nil {
		return nil, err
	}
	s.log = newChangeLog(e.directory.origin, int(e.index.history), entries, dropped) //nolint:gosec // was an int
	s.engine = e
	s.start(cmp.Or(opts.SweepInterval, defaultSweepInterval))
	s.work.Go(func() { s.removeOrphans(e) })
	return s, nil
}

func (o *DiskOptions) check() error {
	switch {
	case o.Path == "":
		return storage.Errorf(storage.CodeInvalidArgument, "no path was given")
	case o.MaxBytes < 0 || o.SweepInterval < 0 || o.WatchHistory < 0:
		return storage.Errorf(storage.CodeInvalidArgument, "a bound is negative")
	case o.InlineLimit < 0 || o.InlineLimit > MaxInlineLimit:
		return storage.Errorf(storage.CodeInvalidArgument, "the inline limit %d is not in the range 0 to %d", o.InlineLimit, MaxInlineLimit)
	}
	return nil
}

// diskEngine keeps records and small values in the index, large values in
// files.
type diskEngine struct {
	directory   *directory
	index       *index
	files       *valueFiles
	space       *space
	fault       *fault
	versions    *versionSource
	quota       *quota
	inlineLimit int64
}

func openDiskEngine(s *store, opts DiskOptions) (_ *diskEngine, err error) {
	d, err := openDirectory(opts.Path)
	if err != nil {
		return nil, err
	}
	e := &diskEngine{
		directory:   d,
		fault:       newFault(s.logger),
		space:       newSpace(d, s.logger),
		versions:    s.versions,
		quota:       s.quota,
		inlineLimit: cmp.Or(opts.InlineLimit, DefaultInlineLimit),
	}
	history := cmp.Or(opts.WatchHistory, defaultWatchHistory)
	e.index, err = openIndex(d.sub(indexName), d.isNew, history, e.fault, opts.indexFiles, e.space.spend)
	if err == nil {
		e.files, err = openValueFiles(d.sub(valuesName))
	}
	if err == nil {
		err = d.initialised()
	}
	if err != nil {
		if e.index != nil {
			err = cmp.Or(err, e.index.close(false))
		}
		return nil, cmp.Or(systemError(err), d.lock.Close())
	}
	return e, nil
}

// countUsed counts what is stored, if there is a bound.
func (e *diskEngine) countUsed(ctx context.Context) error {
	if e.quota.limit == 0 {
		return nil
	}
	var used int64
	err := e.index.scan("", "", func(r *record) (string, bool) {
		used += r.cost()
		return "", ctx.Err() == nil
	})
	e.quota.used.Store(used)
	return cmp.Or(err, ctx.Err())
}

func (e *diskEngine) lookup(key string) (*record, error) { return e.index.lookup(key) }

func (e *diskEngine) scan(prefix, from string, visit func(*record) (string, bool)) error {
	return e.index.scan(prefix, from, visit)
}

func (e *diskEngine) expired(now time.Time, limit int) ([]string, error) {
	return e.index.expired(now, limit)
}

func (e *diskEngine) open(ctx context.Context, r *record, offset, length int64) (io.ReadCloser, error) {
	if r.value != nil { // of the batch that is reading it
		return r.value.reader(ctx, offset), nil
	}
	if r.place == inFile {
		return e.files.open(ctx, r.id, offset)
	}
	value, err := e.index.value(r.id, offset, length)
	if err != nil {
		return nil, err
	}
	return chunks{value}.reader(ctx, 0), nil
}

func (e *diskEngine) commit(c *commit) error { return e.index.commit(c) }

func (e *diskEngine) release(r *record) {
	if r.place == inFile {
		e.files.remove(r.id)
	}
}

func (e *diskEngine) maintain(ctx context.Context) {
	e.files.retry()
	if e.space.check(0) != nil {
		e.index.reclaim(ctx)
	}
}

func (e *diskEngine) failed() <-chan struct{} { return e.fault.set }

func (e *diskEngine) health() error { return e.fault.err() }

// probe finds a directory that was moved or removed.
func (e *diskEngine) probe() error {
	if err := e.fault.err(); err != nil {
		return err
	}
	there, err := os.Stat(e.directory.sub(lockName))
	if err != nil {
		return storage.Errorf(storage.CodeUnavailable, "the directory of the store is gone: %w", err)
	}
	if ours, err := e.directory.lock.Stat(); err != nil || !os.SameFile(ours, there) {
		return storage.Errorf(storage.CodeUnavailable, "%s is no longer the directory that was opened", e.directory.path)
	}
	return nil
}

func (e *diskEngine) close(abandon bool) error {
	return cmp.Or(e.index.close(abandon), systemError(e.directory.lock.Close()))
}
