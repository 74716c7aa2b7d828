package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// lockDirectory takes the lock of a store, which ends with the process or when
// the file is closed. A store that is in use is Unavailable, and the error
// says who uses it.
func lockDirectory(path string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, systemError(err)
	}
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor is an int
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = storage.Errorf(storage.CodeUnavailable, "%s is in use by %s: stop it, or give this backend another path", path, lockHolder(file))
	case err != nil:
		err = systemError(fmt.Errorf("lock %s: %w", file.Name(), err))
	default:
		err = systemError(signLock(file))
	}
	if err != nil {
		return nil, cmp.Or(err, file.Close())
	}
	return file, nil
}

func signLock(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.NewOffsetWriter(file, 0), "process %d (%s)\n", os.Getpid(), filepath.Base(os.Args[0]))
	return err
}

func lockHolder(file *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 256))
	holder := strings.TrimSpace(string(text))
	if err != nil || holder == "" {
		return "another process"
	}
	if strings.HasPrefix(holder, fmt.Sprintf("process %d ", os.Getpid())) {
		return "another backend of this process"
	}
	return holder
}
