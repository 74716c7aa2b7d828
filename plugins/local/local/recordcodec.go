package local

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A record in the index is
//
//	byte     recordVersion
//	byte     place of the value
//	16 bytes version id
//	uvarint  position in the change log
//	uvarint  size
//	4 bytes  CRC-32C of the value, big endian
//	varint   modification time, nanoseconds since 1970
//	varint   expiry likewise, 0 for none
//	text     content type
//	uvarint  number of metadata entries, then name and value as texts,
//	         ascending by name
//
// where a text is its length as uvarint and its bytes.
const recordVersion = 1

var errBadRecord = errors.New("malformed record")

func appendRecord(b []byte, r *record) []byte {
	o := &r.object
	b = append(b, recordVersion, byte(r.place))
	b = append(b, r.id[:]...)
	b = binary.AppendUvarint(b, r.position)
	b = binary.AppendUvarint(b, uint64(o.Size)) //nolint:gosec // never negative
	b = binary.BigEndian.AppendUint32(b, o.CRC32C)
	b = binary.AppendVarint(b, o.ModTime.UnixNano())
	var expires int64
	if !o.ExpiresAt.IsZero() {
		expires = o.ExpiresAt.UnixNano()
	}
	b = binary.AppendVarint(b, expires)
	b = appendText(b, o.ContentType)
	b = binary.AppendUvarint(b, uint64(len(o.Metadata)))
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		b = appendText(b, name)
		b = appendText(b, o.Metadata[name])
	}
	return b
}

// decodeRecord keeps nothing of b.
func decodeRecord(key string, b []byte) (*record, error) {
	d := decoder{rest: b}
	if d.bytes(1)[0] != recordVersion {
		return nil, errBadRecord
	}
	r := &record{place: place(d.bytes(1)[0])}
	copy(r.id[:], d.bytes(len(r.id)))
	r.position = d.uvarint()
	size := d.uvarint()
	r.object = storage.Object{
		Key:    key,
		ETag:   r.id.String(),
		Size:   int64(size), //nolint:gosec // checked below
		CRC32C: binary.BigEndian.Uint32(d.bytes(4)),
	}
	r.object.ModTime = time.Unix(0, d.varint()).UTC()
	if expires := d.varint(); expires != 0 {
		r.object.ExpiresAt = time.Unix(0, expires).UTC()
	}
	r.object.ContentType = d.text()
	if n := d.uvarint(); n > 0 && n <= uint64(len(d.rest)) {
		r.object.Metadata = make(map[string]string, n)
		for range n {
			name := d.text()
			r.object.Metadata[name] = d.text()
		}
		d.failed = d.failed || uint64(len(r.object.Metadata)) != n
	} else if n > 0 {
		d.failed = true
	}
	if d.failed || len(d.rest) != 0 || r.object.Size < 0 || r.place != inIndex && r.place != inFile {
		return nil, errBadRecord
	}
	return r, nil
}

// An entry of the change log is its kind as a byte, the etag as a text, and
// the key.
func appendLogEntry(b []byte, e *logEntry) []byte {
	return append(appendText(append(b, byte(e.kind)), e.etag), e.key...)
}

func decodeLogEntry(position uint64, b []byte) (logEntry, error) {
	d := decoder{rest: b}
	e := logEntry{position: position, kind: storage.EventKind(d.bytes(1)[0]), etag: d.text()}
	e.key = string(d.rest)
	if d.failed || e.key == "" || e.kind != storage.EventPut && e.kind != storage.EventDelete {
		return logEntry{}, errBadRecord
	}
	return e, nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decoder takes values off rest. Once it failed it gives zeros.
type decoder struct {
	rest   []byte
	failed bool
	zeros  [16]byte
}

// bytes returns the next n ≤ 16 bytes.
func (d *decoder) bytes(n int) []byte {
	if d.failed || len(d.rest) < n {
		d.failed = true
		return d.zeros[:n]
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) skip(n int) {
	if d.failed || n <= 0 {
		d.failed, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

func (d *decoder) text() string {
	n := d.uvarint()
	if d.failed || n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	text := string(d.rest[:n])
	d.rest = d.rest[n:]
	return text
}
