package local

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// valueFiles keeps large values, each in a file named by its version, in up to
// 256 directories. A file is a value of the store once the index says so; a
// file the index does not know is an orphan.
type valueFiles struct {
	path    string
	buffers sync.Pool // of *[copyBuffer]byte

	mu      sync.Mutex
	orphans []versionID     // could not be removed; see retry
	named   map[string]bool // directories whose own names are durable
}

// copyBuffer is the size of the pieces a file is written in.
const copyBuffer = 128 << 10

// maxOrphans bounds the files whose removal is tried again; opening the store
// finds the others.
const maxOrphans = 4096

func openValueFiles(path string) (*valueFiles, error) {
	if err := makeDirectory(path); err != nil {
		return nil, err
	}
	return &valueFiles{
		path:    path,
		named:   make(map[string]bool),
		buffers: sync.Pool{New: func() any { return new([copyBuffer]byte) }},
	}, nil
}

// directory returns that of id's file: its last byte, which goes round.
func (v *valueFiles) directory(id versionID) string {
	name := id.String()
	return filepath.Join(v.path, name[len(name)-2:])
}

func (v *valueFiles) file(id versionID) string { return filepath.Join(v.directory(id), id.String()) }

// place calls create, once more if the directory of id does not exist yet.
func (v *valueFiles) place(id versionID, create func(path string) error) error {
	err := create(v.file(id))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Mkdir(v.directory(id), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return create(v.file(id))
}

func (v *valueFiles) create(id versionID) (file *os.File, err error) {
	err = v.place(id, func(path string) (err error) {
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // within the store
		return err
	})
	return file, err
}

// link gives the file of an existing version a second name.
func (v *valueFiles) link(id, existing versionID) error {
	if _, err := os.Stat(v.file(existing)); errors.Is(err, fs.ErrNotExist) {
		return errVersionGone
	}
	return v.place(id, func(path string) error { return os.Link(v.file(existing), path) })
}

// settle makes the name of a file durable, and that of its directory, which
// somebody else may have made a moment ago.
func (v *valueFiles) settle(id versionID) error {
	directory := v.directory(id)
	v.mu.Lock()
	named := v.named[directory]
	v.mu.Unlock()
	if !named {
		if err := syncDirectory(v.path); err != nil {
			return err
		}
		v.mu.Lock()
		v.named[directory] = true
		v.mu.Unlock()
	}
	return syncDirectory(directory)
}

// open opens the file of a version for reading until ctx is done.
func (v *valueFiles) open(ctx context.Context, id versionID, offset int64) (io.ReadCloser, error) {
	file, err := os.Open(v.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errVersionGone
	}
	if err != nil {
		return nil, systemError(err)
	}
	if offset > 0 {
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			return nil, cmp.Or(systemError(err), file.Close())
		}
	}
	return &fileBody{ctx: ctx, file: file}, nil
}

type fileBody struct {
	ctx  context.Context //nolint:containedctx // the context of the Get governs the whole read
	file *os.File
}

func (b *fileBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.file.Read(p)
	if err == io.EOF {
		return n, io.EOF
	}
	return n, systemError(err)
}

func (b *fileBody) Close() error { return b.file.Close() }

// remove removes the file of a version that no longer exists; if that fails,
// it is tried again later.
func (v *valueFiles) remove(id versionID) {
	if err := os.Remove(v.file(id)); err == nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.orphans) < maxOrphans {
		v.orphans = append(v.orphans, id)
	}
}

// retry removes the files that could not be removed before.
func (v *valueFiles) retry() {
	v.mu.Lock()
	orphans := v.orphans
	v.orphans = nil
	v.mu.Unlock()
	for _, id := range orphans {
		v.remove(id)
	}
}

// each calls visit for the versions that have files, directory by directory,
// until it returns false.
func (v *valueFiles) each(visit func(versionID) bool) error {
	directories, err := os.ReadDir(v.path)
	if err != nil {
		return err
	}
	for _, dir := range directories {
		entries, err := os.ReadDir(filepath.Join(v.path, dir.Name()))
		if err != nil {
			return err
		}
		for _, e := range entries {
			id, ok := parseVersionID(e.Name())
			if ok && !visit(id) {
				return nil
			}
		}
	}
	return nil
}
