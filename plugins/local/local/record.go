package local

import (
	"maps"
	"os"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// record is one version of an object and where its value is. Once committed
// it is immutable and shared by everyone who reads it.
type record struct {
	object storage.Object
	id     versionID
	// position of the commit in the change log.
	position uint64
	place    place
	// value is the value itself: always in memory, and on disk while a version
	// that will live in the index is staged.
	value chunks
}

// place says where the value of a version is. The numbers are part of the
// format on disk.
type place uint8

const (
	inMemory place = 0
	inIndex  place = 1
	inFile   place = 2
)

// live returns r unless it is nil or expired.
func (r *record) live(now time.Time) *record {
	if r == nil || r.object.Expired(now) {
		return nil
	}
	return r
}

// etag of a live record, "" for nil.
func (r *record) etag() string {
	if r == nil {
		return ""
	}
	return r.object.ETag
}

// describe returns the object for a caller, who owns it.
func (r *record) describe() storage.Object {
	o := r.object
	o.Metadata = maps.Clone(o.Metadata)
	return o
}

// cost is what the version counts against the quota.
func (r *record) cost() int64 { return r.object.Size + costOf(&r.object) }

// attributes are what an object has besides its value.
type attributes struct {
	contentType string
	metadata    map[string]string // not the caller's
	ttl         time.Duration
	expiresAt   time.Time // instead of ttl
}

func attributesOf(opts storage.PutOptions) attributes {
	return attributes{contentType: opts.ContentType, metadata: maps.Clone(opts.Metadata), ttl: opts.TTL}
}

// staged is a value that was read to its end and belongs to no object yet.
type staged struct {
	id    versionID
	size  int64
	crc   uint32
	place place
	value chunks
	file  *os.File // open until the value is settled or discarded
	// reserved bytes of the quota; once committed they are the record's.
	reserved  int64
	committed bool
}

// record makes a version of v.
func (v *staged) record(key string, a attributes, now time.Time) *record {
	r := &record{
		object: storage.Object{
			Key:         key,
			Size:        v.size,
			ETag:        v.id.String(),
			ContentType: a.contentType,
			Metadata:    a.metadata,
			ModTime:     now,
			ExpiresAt:   a.expiresAt,
			CRC32C:      v.crc,
		},
		id:    v.id,
		place: v.place,
		value: v.value,
	}
	if a.ttl > 0 {
		r.object.ExpiresAt = now.Add(a.ttl)
	}
	return r
}

// change replaces, creates or deletes the record of one key.
type change struct {
	key string
	// old is the record in the engine, live or expired; nil if there is none.
	old *record
	// next is the new record, value what it was made of; nil deletes the key.
	next  *record
	value *staged
}

// commit is what happens atomically: at most one change for each key, and the
// events of all writes that led there, in their order.
type commit struct {
	changes []change
	events  []logEntry
}

// add adds a change and its event.
func (c *commit) add(ch change) {
	c.changes = append(c.changes, ch)
	c.events = append(c.events, eventOf(ch.key, ch.next))
}

func (c *commit) empty() bool { return len(c.events) == 0 }
