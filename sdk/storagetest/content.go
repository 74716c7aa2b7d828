package storagetest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// content is a value of any size that nobody has to hold: each byte follows
// from the seed and its position, and looks random.
type content struct {
	seed uint64
	size int64
}

// readAt fills buf with the bytes from offset on, as if the value had no end.
func (c content) readAt(buf []byte, offset int64) {
	for offset%8 == 0 && len(buf) >= 8 {
		binary.LittleEndian.PutUint64(buf, splitMix(c.seed<<32+uint64(offset/8)))
		buf, offset = buf[8:], offset+8
	}
	var word [8]byte
	for len(buf) > 0 {
		binary.LittleEndian.PutUint64(word[:], splitMix(c.seed<<32+uint64(offset/8)))
		n := copy(buf, word[offset%8:])
		buf, offset = buf[n:], offset+int64(n)
	}
}

// splitMix is the output function of the SplitMix64 generator.
func splitMix(x uint64) uint64 {
	x = (x + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (c content) reader() io.Reader { return &contentReader{content: c} }

func (c content) bytes() []byte {
	buf := make([]byte, c.size)
	c.readAt(buf, 0)
	return buf
}

func (c content) crc32c() uint32 {
	sum := storage.NewChecksumReader(c.reader())
	_, _ = io.Copy(io.Discard, sum) // neither of them fails
	return sum.CRC32C
}

// compare reads r to its end and reports the first difference to the length
// bytes from offset on.
func (c content) compare(r io.Reader, offset, length int64) error {
	got, want := make([]byte, 32<<10), make([]byte, 32<<10)
	at := int64(0)
	for {
		n, err := r.Read(got)
		if at+int64(n) > length {
			return fmt.Errorf("expected %d bytes; got more", length)
		}
		c.readAt(want[:n], offset+at)
		for i := range n {
			if got[i] != want[i] {
				return fmt.Errorf("expected byte 0x%02x at offset %d; got 0x%02x", want[i], offset+at+int64(i), got[i])
			}
		}
		at += int64(n)
		switch {
		case err == nil:
		case err != io.EOF:
			return fmt.Errorf("after %d of %d bytes: %w", at, length, err)
		case at < length:
			return fmt.Errorf("expected %d bytes; got %d and then the end", length, at)
		default:
			return nil
		}
	}
}

type contentReader struct {
	content
	at int64
}

func (r *contentReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.size-r.at))
	r.readAt(p[:n], r.at)
	r.at += int64(n)
	return n, nil
}
