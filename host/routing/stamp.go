package routing

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The reserved metadata of objects that a policy keeps in several places. It is
// beside the caller's in every copy, and [layer.Reserved] hides it at the top of
// a host.
const (
	metaVersion   = storage.ReservedMetadataPrefix + "version"   // 16 hexadecimal digits
	metaWriter    = storage.ReservedMetadataPrefix + "writer"    // what tells two writers of one version apart
	metaSHA256    = storage.ReservedMetadataPrefix + "sha256"    // of the value, in hexadecimal
	metaExpires   = storage.ReservedMetadataPrefix + "expires"   // when the object disappears: milliseconds since 1970
	metaTombstone = storage.ReservedMetadataPrefix + "tombstone" // "1": the key was deleted by this version

	// metaWriteID is what the retry layer adds to one write at one child.
	metaWriteID = storage.ReservedMetadataPrefix + "write-id"
)

// stamp orders the versions of a key. The zero stamp is less than all others:
// that of a copy that has never had the key.
type stamp struct {
	version storage.Version
	writer  string
}

func (s stamp) compare(t stamp) int {
	if c := cmp.Compare(s.version, t.version); c != 0 {
		return c
	}
	return strings.Compare(s.writer, t.writer)
}

func (s stamp) less(t stamp) bool { return s.compare(t) < 0 }

// etag is that of the object with this stamp, whichever copy it was read from.
func (s stamp) etag() string {
	var b [64]byte
	out := appendHex(b[:0], uint64(s.version))
	if s.writer != "" {
		out = append(append(out, '.'), s.writer...)
	}
	return string(out)
}

func appendHex(b []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}

// copyState is what one copy of a key is: absent, a tombstone or an object.
type copyState struct {
	stamp     stamp
	present   bool // the child has something: an object or a tombstone
	tombstone bool
	expires   time.Time
	object    storage.Object // the child's, with its own etag
}

// stateOf reads the stamp of a child's object. One that no policy wrote has the
// time at which it was stored for a version, and no writer: it is older than
// whatever is written from now on.
func stateOf(o storage.Object) copyState {
	s := copyState{present: true, object: o}
	v, err := strconv.ParseUint(o.Metadata[metaVersion], 16, 64)
	if err != nil || len(o.Metadata[metaVersion]) != 16 {
		s.stamp = stamp{version: max(versionAt(o.ModTime), 1)}
		s.expires = o.ExpiresAt
		return s
	}
	s.stamp = stamp{storage.Version(v), o.Metadata[metaWriter]}
	s.tombstone = o.Metadata[metaTombstone] != ""
	if at := o.Metadata[metaExpires]; at != "" {
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
			s.expires = time.UnixMilli(ms)
		}
	}
	return s
}

// live reports whether a caller sees an object here.
func (s copyState) live(now time.Time) bool {
	return s.present && !s.tombstone && (s.expires.IsZero() || now.Before(s.expires))
}

// outward is the object as callers of the policy see it: the same whichever copy
// it was read from. Its reserved metadata stays, for policies above.
func (s copyState) outward() storage.Object {
	o := s.object
	o.ETag = s.stamp.etag()
	o.ModTime = versionTime(s.stamp.version)
	o.ExpiresAt = s.expires
	return o
}

// metadataFor is what is stored with a version: the caller's metadata without
// what an earlier version left there, and the reserved entries.
func metadataFor(caller map[string]string, s stamp, sha256 string, expires time.Time, tombstone bool) map[string]string {
	m := make(map[string]string, len(caller)+4)
	maps.Copy(m, caller)
	for _, name := range []string{metaExpires, metaTombstone, metaSHA256, metaWriteID} {
		delete(m, name)
	}
	m[metaVersion] = fmt.Sprintf("%016x", uint64(s.version))
	m[metaWriter] = s.writer
	if sha256 != "" {
		m[metaSHA256] = sha256
	}
	if !expires.IsZero() {
		m[metaExpires] = strconv.FormatInt(expires.UnixMilli(), 10)
	}
	if tombstone {
		m[metaTombstone] = "1"
	}
	return m
}
