package local

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The index holds, by the first byte of the key:
//
//	o KEY             the record of an object
//	v ID              a value of at most InlineLimit bytes
//	f ID              nothing: a value is in a file
//	x TIME KEY        nothing: the object expires then; nanoseconds, 8 bytes
//	c POSITION        an entry of the change log; 8 bytes
//
// Values have keys of their own, in the order of writing, so that listings do
// not read them and compactions hardly move them.
const (
	recordSpace byte = 'o'
	valueSpace  byte = 'v'
	fileSpace   byte = 'f'
	expirySpace byte = 'x'
	logSpace    byte = 'c'
)

// Memory of the index: an idle one stays below 10 MB.
const (
	indexCacheBytes    = 8 << 20
	indexMemTableBytes = 4 << 20
	indexOpenFiles     = 256
)

// indexFormat is the version of pebble's own format; raising it is one way.
const indexFormat = pebble.FormatColumnarBlocks

// index is the database of a store. A method that fails says what happened
// with a code.
type index struct {
	db      *pebble.DB
	lock    *pebble.Lock
	fault   *fault
	history uint64
}

// openIndex opens the index at path; onFull is called when the disk is full,
// to make room. files is nil outside of tests.
func openIndex(path string, create bool, history int, f *fault, files vfs.FS, onFull func()) (*index, error) {
	if files == nil {
		files = vfs.Default
	}
	files = vfs.OnDiskFull(errorfs.Wrap(files, f), onFull)
	if create {
		if err := makeDirectory(path); err != nil {
			return nil, systemError(err)
		}
	} else if _, err := files.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, storage.Errorf(storage.CodeDataLoss, "the index %s is missing: restore the directory, or give the backend another path", path)
	}
	lock, err := pebble.LockDirectory(path, files)
	if err != nil {
		return nil, systemError(fmt.Errorf("lock the index: %w", err))
	}
	opts := &pebble.Options{
		CacheSize:                   indexCacheBytes,
		ErrorIfNotExists:            !create,
		EventListener:               f.events(),
		FS:                          files,
		FormatMajorVersion:          indexFormat,
		Lock:                        lock,
		Logger:                      f,
		MaxOpenFiles:                indexOpenFiles,
		MemTableSize:                indexMemTableBytes,
		MemTableStopWritesThreshold: 4,
	}
	opts.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	db, err := pebble.Open(path, opts)
	if err != nil {
		return nil, cmp.Or(systemError(fmt.Errorf("open the index %s: %w", path, err)), lock.Close())
	}
	x := &index{db: db, lock: lock, fault: f, history: uint64(history)} //nolint:gosec // positive
	if err := f.err(); err != nil {
		return nil, cmp.Or(err, x.close(false))
	}
	return x, nil
}

func recordKey(key string) []byte {
	return append(append(make([]byte, 0, 1+len(key)), recordSpace), key...)
}

func idKey(space byte, id versionID) []byte {
	return append(append(make([]byte, 0, 1+len(id)), space), id[:]...)
}

func positionKey(position uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{logSpace}, position)
}

func expiryKey(at time.Time, key string) []byte {
	b := append(make([]byte, 0, 9+len(key)), expirySpace)
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixNano())) //nolint:gosec // after 1970
	return append(b, key...)
}

func (x *index) lookup(key string) (*record, error) {
	if err := x.fault.err(); err != nil {
		return nil, err
	}
	value, closer, err := x.db.Get(recordKey(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil //nolint:nilnil // no record is an answer
	}
	if err != nil {
		return nil, systemError(err)
	}
	r, err := decodeRecord(key, value)
	if err != nil {
		err = storage.Errorf(storage.CodeDataLoss, "the record of %q: %w", key, err)
	}
	return r, cmp.Or(err, closer.Close())
}

// value returns length bytes of a value from offset on.
func (x *index) value(id versionID, offset, length int64) ([]byte, error) {
	if err := x.fault.err(); err != nil {
		return nil, err
	}
	value, closer, err := x.db.Get(idKey(valueSpace, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, errVersionGone
	}
	if err != nil {
		return nil, systemError(err)
	}
	if int64(len(value)) < offset+length {
		return nil, cmp.Or(lostValue(), closer.Close())
	}
	part := append(make([]byte, 0, length), value[offset:offset+length]...)
	return part, systemError(closer.Close())
}

// hasFile reports whether a file is the value of an object.
func (x *index) hasFile(id versionID) (bool, error) {
	if err := x.fault.err(); err != nil {
		return false, err
	}
	_, closer, err := x.db.Get(idKey(fileSpace, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, systemError(err)
	}
	return true, closer.Close()
}

// each calls visit for the entries from one key of the index to before
// another, until it says where to go on: nil for the next entry.
func (x *index) each(from, to []byte, visit func(key, value []byte) (seek []byte, more bool, err error)) (err error) {
	if err := x.fault.err(); err != nil {
		return err
	}
	iter, err := x.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return systemError(err)
	}
	defer func() { err = cmp.Or(err, systemError(iter.Close())) }()
	for valid := iter.First(); valid; {
		seek, more, err := visit(iter.Key(), iter.Value())
		if err != nil || !more {
			return err
		}
		if seek == nil {
			valid = iter.Next()
		} else {
			valid = iter.SeekGE(seek)
		}
	}
	return systemError(iter.Error())
}

func (x *index) scan(prefix, from string, visit func(*record) (string, bool)) error {
	return x.each(recordKey(max(from, prefix)), recordKey(prefix+afterAll), func(key, value []byte) ([]byte, bool, error) {
		r, err := decodeRecord(string(key[1:]), value)
		if err != nil {
			return nil, false, storage.Errorf(storage.CodeDataLoss, "the record of %q: %w", key[1:], err)
		}
		seek, more := visit(r)
		if seek == "" {
			return nil, more, nil
		}
		return recordKey(seek), more, nil
	})
}

func (x *index) expired(now time.Time, limit int) ([]string, error) {
	var keys []string
	err := x.each([]byte{expirySpace}, expiryKey(now.Add(1), ""), func(key, _ []byte) ([]byte, bool, error) {
		keys = append(keys, string(key[9:]))
		return nil, len(keys) < limit, nil
	})
	return keys, err
}

// events returns the newest entries of the change log and the position before
// them, and removes older ones.
func (x *index) events() (entries []logEntry, dropped uint64, err error) {
	first, last, err := x.logBounds()
	if err != nil || last == 0 {
		return nil, 0, err
	}
	if first+x.history <= last {
		first = last - x.history + 1
		if err := x.db.DeleteRange(positionKey(0), positionKey(first), pebble.NoSync); err != nil {
			return nil, 0, systemError(err)
		}
	}
	err = x.each(positionKey(first), positionKey(last+1), func(key, value []byte) ([]byte, bool, error) {
		e, err := decodeLogEntry(binary.BigEndian.Uint64(key[1:]), value)
		if err != nil {
			return nil, false, storage.Errorf(storage.CodeDataLoss, "the change log: %w", err)
		}
		entries = append(entries, e)
		return nil, true, nil
	})
	return entries, first - 1, err
}

func (x *index) logBounds() (first, last uint64, err error) {
	iter, err := x.db.NewIter(&pebble.IterOptions{LowerBound: []byte{logSpace}, UpperBound: []byte{logSpace + 1}})
	if err != nil {
		return 0, 0, systemError(err)
	}
	if iter.First() {
		first = binary.BigEndian.Uint64(iter.Key()[1:])
	}
	if iter.Last() {
		last = binary.BigEndian.Uint64(iter.Key()[1:])
	}
	return first, last, systemError(cmp.Or(iter.Error(), iter.Close()))
}

// reclaim gives the room of deleted values back to the disk now rather than in
// the course of writing.
func (x *index) reclaim(ctx context.Context) {
	if x.fault.err() != nil {
		return
	}
	flushed, err := x.db.AsyncFlush()
	if err == nil {
		select {
		case <-flushed:
		case <-ctx.Done(): // a flush to a full disk is tried again for ever
			return
		}
		err = x.db.Compact(ctx, []byte{valueSpace}, []byte{valueSpace + 1}, false)
	}
	if err != nil && ctx.Err() == nil {
		x.fault.logger.Warn("the index could not be compacted", "error", err)
	}
}

// abandonGrace is how long the close of a failed index may take.
const abandonGrace = 2 * time.Second

// close closes the index. One that failed may never come back from it, and is
// left behind.
func (x *index) close(abandon bool) error {
	if x.fault.err() == nil {
		return systemError(cmp.Or(x.db.Close(), x.lock.Close()))
	}
	closed := make(chan struct{})
	if !abandon {
		go func() {
			defer close(closed)
			defer func() { _ = recover() }() // what it says about its state is no news
			_ = x.db.Close()
		}()
	}
	grace := time.NewTimer(abandonGrace)
	defer grace.Stop()
	select {
	case <-closed:
	case <-grace.C:
		_ = x.lock.Close() // the reference of the database
	}
	return systemError(x.lock.Close())
}
