package local

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// What the directory of a store holds.
const (
	lockName    = "LOCK"    // locked while the store is open; names the process
	formatName  = "FORMAT"  // says that this is a store, which format, and its identity
	indexName   = "index"   // the index, a pebble database
	valuesName  = "values"  // the files of large values
	ballastName = "BALLAST" // room set aside for a full disk
)

// formatVersion is the one this code reads and writes.
const formatVersion = 1

// directory is the locked directory of a store.
type directory struct {
	path string
	lock *os.File
	// origin identifies the store for as long as it lives.
	origin uint64
	// isNew: the store is being created, and complete once initialised is
	// called.
	isNew bool
}

func (d *directory) sub(name string) string { return filepath.Join(d.path, name) }

// openDirectory creates path if need be, with mode 0700, locks it, and checks
// that it holds a store this code can read, or nothing.
func openDirectory(path string) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, systemError(err)
	}
	if err := makeDirectory(path); err != nil {
		return nil, systemError(err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock}
	if err := d.readFormat(); err != nil {
		return nil, cmp.Or(err, lock.Close())
	}
	return d, nil
}

// makeDirectory is os.MkdirAll that survives a crash of the machine.
func makeDirectory(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return storage.Errorf(storage.CodeInvalidArgument, "%s is not a directory", path)
		}
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(parent)
}

func syncDirectory(path string) error {
	dir, err := os.Open(path) //nolint:gosec // a directory of the store
	if err != nil {
		return err
	}
	return cmp.Or(dir.Sync(), dir.Close())
}

func (d *directory) readFormat() error {
	text, err := os.ReadFile(d.sub(formatName))
	if errors.Is(err, fs.ErrNotExist) {
		d.isNew = true
		id := newVersionSource().next()
		d.origin = binary.BigEndian.Uint64(id[:8])
		return d.checkFresh()
	}
	if err != nil {
		return systemError(err)
	}
	version, origin, err := parseFormat(string(text))
	switch {
	case err != nil:
		return storage.Errorf(storage.CodeDataLoss, "%s is damaged: %w; restore it or give the backend another path", d.sub(formatName), err)
	case version != formatVersion:
		return storage.Errorf(storage.CodeUnimplemented, "%s holds a store of format %d, and this version of the plugin knows format %d: use the version that wrote it, or another path", d.path, version, formatVersion)
	}
	d.origin = origin
	return nil
}

// checkFresh refuses a directory that holds anything else than the beginnings
// of a store.
func (d *directory) checkFresh() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return systemError(err)
	}
	for _, e := range entries {
		switch name := e.Name(); name {
		case lockName, indexName, valuesName, ballastName, "lost+found":
		default:
			if strings.HasPrefix(name, "."+formatName) { // of a write that was cut off
				continue
			}
			return storage.Errorf(storage.CodeInvalidArgument, "%s holds %q and is not a store: give the backend an empty directory, or one that does not exist yet", d.path, name)
		}
	}
	return nil
}

// initialised marks a new store as complete.
func (d *directory) initialised() error {
	if !d.isNew {
		return nil
	}
	text := fmt.Sprintf("stowage local store\nformat %d\norigin %016x\n", formatVersion, d.origin)
	if err := renameio.WriteFile(d.sub(formatName), []byte(text), 0o600); err != nil {
		return systemError(err)
	}
	d.isNew = false
	return systemError(syncDirectory(d.path))
}

func parseFormat(text string) (version int, origin uint64, err error) {
	var id string
	if _, err := fmt.Sscanf(text, "stowage local store\nformat %d\n", &version); err != nil {
		return 0, 0, errors.New("not the format file of a store")
	}
	if version != formatVersion {
		return version, 0, nil
	}
	if _, err := fmt.Sscanf(text, "stowage local store\nformat %d\norigin %s\n", &version, &id); err != nil {
		return 0, 0, errors.New("no origin in it")
	}
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 8 {
		return 0, 0, errors.New("the origin is malformed")
	}
	return version, binary.BigEndian.Uint64(raw), nil
}
