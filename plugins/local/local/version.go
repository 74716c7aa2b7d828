package local

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
)

// versionID names one version of one object, uniquely over all keys, restarts
// and restored copies of a directory: 64 random bits drawn when the store was
// opened, then a counter. In hexadecimal it is the etag, and the name of the
// file if the value has one.
type versionID [16]byte

func (id versionID) String() string { return hex.EncodeToString(id[:]) }

// sameOpening reports whether both were issued between one open and its close.
func (id versionID) sameOpening(other versionID) bool {
	return [8]byte(id[:8]) == [8]byte(other[:8])
}

func parseVersionID(text string) (id versionID, ok bool) {
	if len(text) != hex.EncodedLen(len(id)) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil && id.String() == text
}

// versionSource issues versionIDs. It is safe for concurrent use.
type versionSource struct {
	opening [8]byte
	count   atomic.Uint64
}

func newVersionSource() *versionSource {
	s := &versionSource{}
	_, _ = rand.Read(s.opening[:]) // never fails, says its documentation
	return s
}

func (s *versionSource) next() versionID {
	var id versionID
	copy(id[:], s.opening[:])
	binary.BigEndian.PutUint64(id[8:], s.count.Add(1))
	return id
}
