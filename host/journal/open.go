package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Memory of the database. It is read when the journal is opened only.
const (
	cacheBytes    = 1 << 20
	memTableBytes = 2 << 20
	openFiles     = 64
)

// databaseFormat is the version of pebble's own format; raising it is one way.
const databaseFormat = pebble.FormatColumnarBlocks

// Open opens the journal in dir and creates it if there is none. Everything that
// was begun before and not paid is a debt that was acknowledged and is ripe.
func Open(dir string, o Options) (*Journal, error) {
	if o.files == nil {
		o.files = vfs.Default
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, openError(dir, err)
		}
		dir = abs
	}
	j := &Journal{
		maxBytes: cmp.Or(o.MaxBytes, DefaultMaxBytes), maxAge: cmp.Or(o.MaxAge, DefaultMaxAge), now: o.now,
		work: make(chan struct{}, 1), closing: make(chan struct{}), drained: make(chan struct{}),
		logs: make(map[string]*Log), values: make(map[string][]byte),
	}
	if j.now == nil {
		j.now = time.Now
	}
	j.fault = newFault(o.Logger, j.stop)
	if err := j.openDatabase(dir, o.files); err != nil {
		return nil, err
	}
	go j.commits()
	if err := j.load(); err != nil {
		_ = j.Close()
		return nil, openError(dir, err)
	}
	return j, nil
}

func openError(dir string, err error) error {
	return fmt.Errorf("open the journal %s: %w", dir, err)
}

func (j *Journal) openDatabase(dir string, files vfs.FS) error {
	if err := makeDirectory(files, dir); err != nil {
		return openError(dir, err)
	}
	files = errorfs.Wrap(files, j.fault)
	lock, err := pebble.LockDirectory(dir, files)
	if err != nil {
		return lockError(dir, err)
	}
	db, err := pebble.Open(dir, &pebble.Options{
		CacheSize:                   cacheBytes,
		EventListener:               j.fault.events(),
		FS:                          files,
		FormatMajorVersion:          databaseFormat,
		Lock:                        lock,
		Logger:                      j.fault,
		MaxOpenFiles:                openFiles,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
	})
	if err != nil {
		return openError(dir, firstError(err, lock.Close()))
	}
	j.db, j.lock = db, lock
	return nil
}

// lockError tells the operator who has the lock. Pebble says it of this process
// by text only.
func lockError(dir string, err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || err.Error() == "lock held by current process" {
		return fmt.Errorf("the journal %s is in use by another host: stop it, or give this one another data_dir: %w", dir, err)
	}
	return openError(dir, err)
}

// makeDirectory is MkdirAll that survives a crash of the machine.
func makeDirectory(files vfs.FS, dir string) error {
	if _, err := files.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := files.PathDir(dir)
	if parent == dir {
		return nil
	}
	if err := makeDirectory(files, parent); err != nil {
		return err
	}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	d, err := files.OpenDir(parent)
	if err != nil {
		return err
	}
	return firstError(d.Sync(), d.Close())
}
