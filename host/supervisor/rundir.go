package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A unix socket's path has room for 107 bytes on Linux and 103 elsewhere. Below a base of maxBaseLen bytes,
// BASE/stowage-PID-XXXXXXXXXX/NNNNNN/plugin-dirXXXXXXXXXX/pluginXXXXXXXXXX stays within 104.
const (
	maxSocketPath = 104
	maxBaseLen    = 30
	maxChildDirs  = 999999
)

const (
	runDirPrefix = "stowage-"
	newDirPrefix = ".stowage-"
	newDirMaxAge = time.Minute
)

// RunDir is a host's private directory for the sockets and temporary files of its plugins. It has a short path whatever
// TMPDIR is, mode 0700, and an exclusive flock for as long as the host lives, by which other hosts (and systemd-tmpfiles)
// know not to touch it. A RunDir is safe for concurrent use.
type RunDir struct {
	path string
	lock *os.File

	mu     sync.Mutex
	next   int
	closed bool
}

// OpenRunDir creates a fresh directory in the first of the bases that has a short path and is safe to use; nil bases mean
// the directory for temporary files, /tmp, /var/tmp, /dev/shm and /run/user/UID. It first removes directories that hosts
// of the same user left behind when they died, and kills what still runs in them. The caller closes it after the last
// plugin has stopped.
func OpenRunDir(bases ...string) (*RunDir, error) {
	if len(bases) == 0 {
		bases = []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm", "/run/user/" + strconv.Itoa(os.Geteuid())}
	}
	var errs []error
	for _, base := range bases {
		if err := checkBase(base); err != nil {
			errs = append(errs, err)
			continue
		}
		sweep(base, time.Now())
		d, err := createRunDir(base)
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no directory for the sockets of plugins: %w", errors.Join(errs...))
}

// checkBase refuses a base whose path is too long, or where others could exchange a directory of ours.
func checkBase(base string) error {
	if !filepath.IsAbs(base) {
		return fmt.Errorf("%s: not an absolute path", base)
	}
	if len(base) > maxBaseLen {
		return fmt.Errorf("%s: more than %d bytes, so the path of a socket would not fit into %d", base, maxBaseLen, maxSocketPath)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(base, &st); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return fmt.Errorf("%s: not a directory", base)
	}
	if st.Mode&0o022 != 0 && st.Mode&syscall.S_ISVTX == 0 {
		return fmt.Errorf("%s: writable by others without the sticky bit", base)
	}
	if st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s: belongs to another user", base)
	}
	return nil
}

// createRunDir locks the directory before it gets the name that sweep looks for, so that there is no moment in which it
// looks abandoned.
func createRunDir(base string) (*RunDir, error) {
	fresh, err := os.MkdirTemp(base, newDirPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(fresh)
	if err != nil {
		return nil, errors.Join(err, os.Remove(fresh))
	}
	path := filepath.Join(base, strings.TrimPrefix(filepath.Base(fresh), "."))
	if err := os.Rename(fresh, path); err != nil {
		return nil, errors.Join(err, os.Remove(fresh), lock.Close())
	}
	return &RunDir{path: path, lock: lock}, nil
}

// lockDir takes the directory's exclusive lock without waiting for it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("flock %s: %w", dir, err)
	}
	return f, nil
}

// Path is the directory.
func (d *RunDir) Path() string { return d.path }

// childDir makes a directory for one launch of one plugin.
func (d *RunDir) childDir() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return "", fmt.Errorf("run directory %s: %w", d.path, os.ErrClosed)
	}
	for range maxChildDirs {
		d.next = d.next%maxChildDirs + 1
		path := filepath.Join(d.path, strconv.Itoa(d.next))
		err := os.Mkdir(path, 0o700)
		if !errors.Is(err, os.ErrExist) {
			return path, err
		}
	}
	return "", fmt.Errorf("run directory %s is full", d.path)
}

// Close removes the directory with all that is in it and gives up the lock. Closing twice is harmless.
func (d *RunDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// isRunDirName reports whether name is one that OpenRunDir makes, stowage-PID-RANDOM, so that nothing of somebody else's
// is ever taken for a run directory.
func isRunDirName(name string) bool {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "."), runDirPrefix)
	pid, random, both := strings.Cut(rest, "-")
	return ok && both && isNumber(pid) && isNumber(random)
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// sweep removes the directories of dead hosts: those whose lock is free. What cannot be removed is left for the next
// time; a living host's directory cannot be locked and so is never touched.
func sweep(base string, now time.Time) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || !isRunDirName(name) {
			continue
		}
		path := filepath.Join(base, name)
		var st syscall.Stat_t
		if syscall.Lstat(path, &st) != nil || st.Uid != uint32(os.Geteuid()) || st.Mode&0o777 != 0o700 {
			continue
		}
		if strings.HasPrefix(name, newDirPrefix) && now.Sub(time.Unix(st.Mtim.Unix())) < newDirMaxAge {
			continue // about to be locked
		}
		lock, err := lockDir(path)
		if err != nil {
			continue
		}
		killSurvivors(path)
		_ = os.RemoveAll(path)
		_ = lock.Close()
	}
}
