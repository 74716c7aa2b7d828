package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// partialPrefix marks a copy that is being made; a host that dies in the middle leaves one behind, and OpenStore removes
// it once it is old enough to be nobody's.
const (
	partialPrefix = ".partial-"
	partialMaxAge = time.Hour
)

// copyPrefix begins the name of every copy. The kernel shows the first 15 bytes of it as the name of the process, so that
// ps and pgrep tell a plugin from the rest.
const copyPrefix = "stowage-plugin-"

// Store holds private copies of trusted binaries, named by their digest, in a directory that only the host's user may
// enter. It is safe for concurrent use, also by several hosts sharing the directory: copies appear by rename.
type Store struct {
	dir    string
	policy Policy // judges the copies; the directory itself is checked by OpenStore
}

// OpenStore creates the directory (0700) if it is missing and makes it 0700 if it is not. The directory must belong to
// the effective user. The file system must allow programs to run from it (no noexec).
func OpenStore(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store of plugin binaries: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store of plugin binaries: %w", err)
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(dir, &st); err != nil {
		return nil, fmt.Errorf("store of plugin binaries: %s: %w", dir, err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil, fmt.Errorf("store of plugin binaries: %s is not a directory", dir)
	}
	if uid := uint32(os.Geteuid()); st.Uid != uid {
		return nil, fmt.Errorf("store of plugin binaries: %s belongs to %s; run: chown %d %s",
			dir, userName(st.Uid), uid, shellQuote(dir))
	}
	if st.Mode&0o7777 != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fmt.Errorf("store of plugin binaries: %w", err)
		}
	}
	s := &Store{dir: dir}
	s.removePartials(time.Now())
	return s, nil
}

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// Path is where the copy of a digest is or would be.
func (s *Store) Path(d Digest) string { return filepath.Join(s.dir, copyPrefix+d.String()) }

// Prepare returns a path to launch whose bytes have the digest want: an existing copy if it still hashes to it, or else
// a fresh copy of the binary at path, which is opened under the policy p. A zero want takes whatever is at path and
// returns its digest. Errors are *Error; Changed means that path no longer holds the wanted bytes.
func (s *Store) Prepare(ctx context.Context, p Policy, path string, want Digest) (string, Digest, error) {
	if !want.IsZero() {
		if copied, err := s.existing(ctx, want); err == nil {
			return copied, want, nil
		} else if ctx.Err() != nil {
			return "", Digest{}, ctx.Err()
		}
	}
	b, err := p.Open(path)
	if err != nil {
		return "", Digest{}, err
	}
	defer b.Close()
	got, err := b.Digest(ctx)
	if err != nil {
		return "", Digest{}, err
	}
	if !want.IsZero() && got != want {
		return "", Digest{}, &Error{
			Plugin: path, Path: b.Resolved(), Reason: Changed,
			Detail: fmt.Sprintf("was replaced: its SHA-256 is %s, expected %s", got, want),
			Fix:    "scan the plugin folder again",
		}
	}
	copied, err := s.Add(ctx, b)
	return copied, got, err
}

// Add makes sure that the store holds a copy of b and returns its path. An existing copy is hashed again before it is
// used, and replaced when it is damaged.
func (s *Store) Add(ctx context.Context, b *Binary) (string, error) {
	want, err := b.Digest(ctx)
	if err != nil {
		return "", err
	}
	if copied, err := s.existing(ctx, want); err == nil {
		return copied, nil
	} else if ctx.Err() != nil {
		return "", ctx.Err()
	}
	partial, err := s.copy(ctx, b, want)
	if err == nil {
		err = os.Rename(partial, s.Path(want))
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err == nil {
		return s.Path(want), nil
	}
	if partial != "" {
		_ = os.Remove(partial)
	}
	var judged *Error
	if errors.As(err, &judged) || ctx.Err() != nil {
		return "", err
	}
	return "", &Error{
		Plugin: b.Path(), Path: s.dir, Reason: NotCopied, Detail: "no private copy could be made", Err: err,
		Fix: "make sure that there is space and that the host may write there",
	}
}

// existing hashes the copy that is already there.
func (s *Store) existing(ctx context.Context, want Digest) (string, error) {
	path := s.Path(want)
	b, err := s.policy.openCopy(path)
	if err != nil {
		return "", err
	}
	defer b.Close()
	got, err := b.Digest(ctx)
	if err != nil {
		return "", err
	}
	if got != want {
		return "", &Error{Plugin: path, Path: path, Reason: NotCopied, Detail: "the private copy is damaged"}
	}
	return path, nil
}

// openCopy opens a copy in the store's own directory: the directory is known, so only the file is judged.
func (p Policy) openCopy(path string) (*Binary, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError(path, path, "open", err)
	}
	p.MaxSize = 1 << 62 // it was within bounds when it was copied
	b := &Binary{path: path, resolved: path, file: os.NewFile(uintptr(fd), path)}
	if err := p.judge(b); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// copy writes a partial file, verified and on disk. The returned path is set whenever there is a file to remove.
func (s *Store) copy(ctx context.Context, b *Binary, want Digest) (path string, err error) {
	f, err := os.CreateTemp(s.dir, partialPrefix+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	got, err := b.copyTo(ctx, f)
	if err != nil {
		return f.Name(), err
	}
	if got != want {
		return f.Name(), &Error{
			Plugin: b.Path(), Path: b.Resolved(), Reason: Changed, Detail: "was modified while it was copied",
			Fix: "wait until it is complete",
		}
	}
	if err := f.Chmod(0o500); err != nil {
		return f.Name(), err
	}
	return f.Name(), f.Sync()
}

// Prune removes every copy whose digest keep does not want, and returns how many. A running plugin is not disturbed by
// the removal of its copy, but can no longer be restarted from it.
func (s *Store) Prune(keep func(Digest) bool) (int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("store of plugin binaries: %w", err)
	}
	removed := 0
	var errs []error
	for _, entry := range entries {
		d, err := ParseDigest(strings.TrimPrefix(entry.Name(), copyPrefix))
		if err != nil || keep(d) {
			continue
		}
		if err := os.Remove(s.Path(d)); err == nil {
			removed++
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

func (s *Store) removePartials(now time.Time) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), partialPrefix) && now.Sub(info.ModTime()) > partialMaxAge {
			_ = os.Remove(filepath.Join(s.dir, entry.Name()))
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
