package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The database holds, by the first byte of the key, where LOG and TARGET are
// preceded by their length as a uvarint:
//
//	e LOG TARGET KEY  an entry: version, since (nanoseconds), both uvarints; note
//	t LOG TARGET      a target: 1 if it is dirty, else 0; mark, a uvarint; reason
//	v NAME            a value
//	f                 the version of all this
const (
	entrySpace  byte = 'e'
	targetSpace byte = 't'
	valueSpace  byte = 'v'
	formatSpace byte = 'f'

	format = 1
)

var errDamaged = errors.New("a record is damaged")

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func entryPrefix(log, target string) []byte {
	return appendString(appendString([]byte{entrySpace}, log), target)
}

func entryKey(prefix []byte, key string) []byte {
	return append(append(make([]byte, 0, len(prefix)+len(key)), prefix...), key...)
}

func targetKey(log, target string) []byte {
	return appendString(appendString([]byte{targetSpace}, log), target)
}

func valueKey(name string) []byte { return append([]byte{valueSpace}, name...) }

// prefixEnd is the first key after those with prefix, whose first byte is a
// space.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	end[len(end)-1]++
	return end
}

func appendEntry(b []byte, version uint64, since int64, note string) []byte {
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, uint64(since)) //nolint:gosec // there and back
	return append(b, note...)
}

func appendTarget(b []byte, dirty bool, mark uint64, reason string) []byte {
	b = append(b, byte(btoi(dirty)))
	return append(binary.AppendUvarint(b, mark), reason...)
}

// decoder takes records apart and remembers that one was damaged.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.err, d.rest = errDamaged, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.err, d.rest = errDamaged, nil
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
