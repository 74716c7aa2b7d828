package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks bounds the symbolic links followed on the way to one file, as the kernel does.
const maxLinks = 40

// resolve walks to a file one component at a time, following symbolic links, and judges every directory it passes, so
// that nobody but the trusted owners can change where the path leads. It returns the path without links.
func (p Policy) resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", &Error{Plugin: path, Path: path, Reason: NotFound, Detail: "cannot be made absolute", Err: err}
	}
	dir, rest := "/", strings.Split(strings.TrimPrefix(abs, "/"), "/")
	if err := p.checkDir(path, dir); err != nil {
		return "", err
	}
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		next := filepath.Join(dir, name)
		var st syscall.Stat_t
		if err := syscall.Lstat(next, &st); err != nil {
			return "", pathError(path, next, "lstat", err)
		}
		switch {
		case st.Mode&syscall.S_IFMT == syscall.S_IFLNK:
			if links++; links > maxLinks {
				return "", &Error{Plugin: path, Path: next, Reason: NotFound, Detail: "too many symbolic links"}
			}
			if err := p.checkOwner(path, next, &st); err != nil {
				return "", err
			}
			target, err := os.Readlink(next)
			if err != nil {
				return "", pathError(path, next, "readlink", err)
			}
			if filepath.IsAbs(target) {
				dir = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		case len(rest) == 0:
			return next, nil // the file itself is judged once it is open
		default:
			if err := p.judgeDir(path, next, &st); err != nil {
				return "", err
			}
			dir = next
		}
	}
	return dir, nil
}

func (p Policy) checkDir(plugin, dir string) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(dir, &st); err != nil {
		return pathError(plugin, dir, "lstat", err)
	}
	return p.judgeDir(plugin, dir, &st)
}

func (p Policy) judgeDir(plugin, dir string, st *syscall.Stat_t) error {
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return &Error{Plugin: plugin, Path: dir, Reason: NotFound, Detail: "is not a directory"}
	}
	if err := p.checkOwner(plugin, dir, st); err != nil {
		return err
	}
	return p.checkWritable(plugin, dir, st)
}

// pathError turns a failed system call into a reason an operator can act on.
func pathError(plugin, path, call string, err error) error {
	e := &Error{Plugin: plugin, Path: path, Err: &os.PathError{Op: call, Path: path, Err: err}}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		e.Reason, e.Detail, e.Err = NotFound, "there is no such file", err
	case errors.Is(err, syscall.ELOOP):
		e.Reason, e.Detail, e.Err = Changed, "became a symbolic link while it was opened", err
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Reason, e.Detail, e.Err = Unreadable, "the host may not read it", err
		e.Fix = fmt.Sprintf("run: chmod a+rX %s", shellQuote(path))
	default:
		e.Reason, e.Detail = Unreadable, "cannot be opened"
	}
	return e
}
