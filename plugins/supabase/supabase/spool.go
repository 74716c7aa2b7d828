package supabase

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// spool is a large value on its way: in a file, because its length must be
// known before it is uploaded, and any part of it may have to be sent again.
type spool struct {
	source io.ReaderAt
	size   int64
	crc    uint32
	file   *os.File // nil: in memory
}

// newSpool writes body to a file in dir that has no name, so nothing is left
// of it whatever becomes of the process.
func newSpool(dir string, body io.Reader) (*spool, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return nil, spoolError(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, spoolError(err)
	}
	sum := storage.NewChecksumReader(body)
	if _, err := io.Copy(struct{ io.Writer }{f}, sum); err != nil {
		_ = f.Close()
		return nil, spoolError(err)
	}
	return &spool{source: f, file: f, size: sum.Size, crc: sum.CRC32C}, nil
}

// spoolBytes is for a value that is in memory.
func spoolBytes(p []byte) *spool {
	return &spool{source: bytes.NewReader(p), size: int64(len(p))}
}

// checkSpool reports a directory in which nothing can be spooled, for the
// operator.
func checkSpool(dir string) error {
	s, err := newSpool(dir, strings.NewReader(""))
	if err != nil {
		return schema.Diagnostics{schema.Errorf(cty.GetAttrPath("spool_dir"), "Large values cannot be spooled", "%v.", storage.AsError(err).Err)}
	}
	s.close()
	return nil
}

func spoolError(err error) error {
	var path *os.PathError
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return storage.Errorf(storage.CodeQuotaExceeded, "there is no room to spool the value: %w; make room or set spool_dir", err)
	case errors.As(err, &path):
		return storage.Errorf(storage.CodeUnavailable, "the value cannot be spooled: %w", err)
	default:
		return err // of the body
	}
}

// section reads length bytes from offset on. Sections are independent of each
// other.
func (s *spool) section(offset, length int64) io.Reader {
	return io.NewSectionReader(s.source, offset, length)
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
