package routing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// SpoolMemory is the largest value that a policy which sends it more than once
// keeps in memory meanwhile, in bytes. Larger ones wait in a file.
const SpoolMemory = 256 << 10

// spool holds a whole value, so that it can be sent to several children, to each
// at its own pace and also after the caller has its answer. It is safe for
// concurrent use; close frees it and is called once.
type spool struct {
	size   int64
	crc32c uint32
	sha256 string

	memory []byte
	file   *os.File // nil if the value is in memory
}

// newSpool reads body to its end. An error of the body is returned as it is; a
// file that cannot be written is QuotaExceeded, and nothing has happened.
func newSpool(dir string, body io.Reader) (*spool, error) {
	sums := storage.NewChecksumReader(body)
	hash := sha256.New()
	in := io.TeeReader(sums, hash)
	s := &spool{}
	buf, err := io.ReadAll(io.LimitReader(in, SpoolMemory+1))
	if err != nil {
		return nil, err
	}
	if len(buf) <= SpoolMemory {
		s.memory = buf
	} else if err := s.toFile(dir, io.MultiReader(bytes.NewReader(buf), in)); err != nil {
		return nil, err
	}
	s.size, s.crc32c, s.sha256 = sums.Size, sums.CRC32C, hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

func (s *spool) toFile(dir string, value io.Reader) error {
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return storage.Errorf(storage.CodeQuotaExceeded, "a value larger than %d bytes waits in a file before it is sent: %w", SpoolMemory, err)
	}
	_ = os.Remove(f.Name()) // it lives as long as it is open, and no longer than this process
	out := &spoolWriter{file: f}
	if _, err := io.Copy(out, value); err != nil {
		err = errors.Join(err, f.Close())
		if out.failed != nil {
			return storage.Errorf(storage.CodeQuotaExceeded, "a value larger than %d bytes waits in a file before it is sent: %w", SpoolMemory, err)
		}
		return err
	}
	s.file = f
	return nil
}

// spoolWriter tells errors of the file from those of the body.
type spoolWriter struct {
	file   *os.File
	failed error
}

func (w *spoolWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		w.failed = fmt.Errorf("writing %d bytes: %w", len(p), err)
	}
	return n, err
}

// open returns a reader over the whole value, which can seek, so that layers
// below can send it again.
func (s *spool) open() io.ReadCloser {
	if s.file == nil {
		return seekable{bytes.NewReader(s.memory)}
	}
	return seekable{io.NewSectionReader(s.file, 0, s.size)}
}

type seekable struct{ io.ReadSeeker }

func (seekable) Close() error { return nil }

func (s *spool) close() {
	s.memory = nil
	if s.file != nil {
		_ = s.file.Close() // it was removed already
	}
}
