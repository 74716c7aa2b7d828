package storage

import (
	"hash/crc32"
	"io"
	"time"
)

// Object describes a stored value.
type Object struct {
	// Key names the object.
	Key string
	// Size of the value in bytes.
	Size int64
	// ETag identifies this version of the object. It is opaque, never empty,
	// at most [MaxETagBytes] long and made of visible ASCII without '"'. Two
	// writes to a key never share an etag, also when the bytes are the same.
	ETag string
	// ContentType as given to Put; empty if none was.
	ContentType string
	// Metadata as given to Put; nil and empty mean the same.
	Metadata map[string]string
	// ModTime is the backend's time of the commit.
	ModTime time.Time
	// ExpiresAt is when the object disappears; zero means never.
	ExpiresAt time.Time
	// CRC32C is the CRC-32 (Castagnoli) of the whole value, as [Checksum]
	// computes it. Every backend keeps it.
	CRC32C uint32
}

// Expired reports whether the object's time had come at now.
func (o Object) Expired(now time.Time) bool {
	return !o.ExpiresAt.IsZero() && !now.Before(o.ExpiresAt)
}

// Checksum continues the CRC-32C crc with p. The checksum of a value is
// Checksum(0, value).
func Checksum(crc uint32, p []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), p)
}

// ChecksumReader counts and checksums what is read through it: a Put
// implementation wraps its body and stores Size and CRC32C at the end.
type ChecksumReader struct {
	r      io.Reader
	Size   int64
	CRC32C uint32
}

// NewChecksumReader returns a ChecksumReader over r.
func NewChecksumReader(r io.Reader) *ChecksumReader { return &ChecksumReader{r: r} }

// Read implements io.Reader.
func (c *ChecksumReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.Size += int64(n)
	c.CRC32C = Checksum(c.CRC32C, p[:n])
	return n, err
}
