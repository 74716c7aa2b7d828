package local

import (
	"errors"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sys/unix"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// systemError gives an error of the file system or the index its code. nil is
// nil, and an *storage.Error stays as it is.
func systemError(err error) error {
	if err == nil {
		return nil
	}
	var known *storage.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return storage.Errorf(storage.CodeQuotaExceeded, "the disk is full: %w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return storage.Errorf(storage.CodePermissionDenied, "%w", err)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return storage.Errorf(storage.CodeUnavailable, "%w", err)
	case pebble.IsCorruptionError(err), errors.Is(err, unix.EIO):
		return storage.Errorf(storage.CodeDataLoss, "%w", err)
	default:
		return storage.Errorf(storage.CodeInternal, "%w", err)
	}
}
