package routing

import (
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// metaCached is what prefer_cache adds to the metadata of what it caches:
//
//	EPOCH.SEQ.FRESH.MODTIME.EXPIRES.ETAG
//
// EPOCH tells which policy of which process wrote it and so whose numbers SEQ is
// one of. FRESH is until when the entry may be given without asking the source,
// MODTIME and EXPIRES are the source's, all in nanoseconds since 1970; ETAG is
// the source's. Numbers have base 36.
const metaCached = storage.ReservedMetadataPrefix + "cached"

// cacheStamp is what is known of a cached entry besides the object.
type cacheStamp struct {
	epoch   string
	seq     uint64
	fresh   int64
	modTime int64
	expires int64 // never: 0
	etag    string
}

const base = 36

func (s cacheStamp) String() string {
	b := append(make([]byte, 0, 64+len(s.etag)), s.epoch...)
	b = strconv.AppendUint(append(b, '.'), s.seq, base)
	for _, n := range []int64{s.fresh, s.modTime, s.expires} {
		b = strconv.AppendUint(append(b, '.'), uint64(n), base) //nolint:gosec // not negative
	}
	return string(append(append(b, '.'), s.etag...))
}

// parseCacheStamp reads a stamp; what is not one is not used.
func parseCacheStamp(text string) (s cacheStamp, ok bool) {
	s.epoch, text, _ = strings.Cut(text, ".")
	var numbers [4]uint64
	for i := range numbers {
		if numbers[i], text, ok = cutNumber(text); !ok {
			return cacheStamp{}, false
		}
	}
	s.seq, s.fresh, s.modTime, s.expires = numbers[0], int64(numbers[1]), int64(numbers[2]), int64(numbers[3]) //nolint:gosec // they were int64
	s.etag = text
	return s, s.epoch != "" && s.etag != ""
}

// cutNumber reads a number of base 36 and the dot after it. It is on the path of
// every hit, where strconv takes thrice as long.
func cutNumber(text string) (n uint64, rest string, ok bool) {
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			n = n*base + uint64(c-'0')
		case c >= 'a' && c <= 'z':
			n = n*base + uint64(c-'a'+10)
		default:
			return n, text[i+1:], c == '.' && i > 0 && i <= 13
		}
	}
	return 0, "", false
}

// stampFor makes the stamp of o, which may be given until fresh.
func (p *preferCache) stampFor(o storage.Object, seq uint64, now int64) cacheStamp {
	s := cacheStamp{epoch: p.epoch, seq: seq, fresh: now + int64(p.ttl), modTime: nanoseconds(o.ModTime), expires: nanoseconds(o.ExpiresAt), etag: o.ETag}
	if s.expires != 0 {
		s.fresh = min(s.fresh, s.expires)
	}
	return s
}

// exact reports whether the times of o survive in the stamp.
func (s cacheStamp) exact(o storage.Object) bool {
	return timeAt(s.modTime).Equal(o.ModTime) && timeAt(s.expires).Equal(o.ExpiresAt)
}

// apply makes of a cached object that of the source. The metadata becomes the
// caller's.
func (s cacheStamp) apply(o *storage.Object) {
	var own map[string]string
	if len(o.Metadata) > 1 {
		own = make(map[string]string, len(o.Metadata)-1)
		for name, value := range o.Metadata {
			if name != metaCached {
				own[name] = value
			}
		}
	}
	o.Metadata, o.ETag, o.ModTime, o.ExpiresAt = own, s.etag, timeAt(s.modTime), timeAt(s.expires)
}

// metadata is what is cached with o.
func (s cacheStamp) metadata(o storage.Object) map[string]string {
	m := make(map[string]string, len(o.Metadata)+1)
	maps.Copy(m, o.Metadata)
	delete(m, metaWriteID) // of a write at the source
	m[metaCached] = s.String()
	return m
}

// nanoseconds since 1970; 0 for the zero time and those too far from it.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 2200 {
		return 0
	}
	return t.UnixNano()
}

func timeAt(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// versionOf is the version that an object has in a policy over several copies.
func versionOf(o *storage.Object) (storage.Version, bool) {
	text := o.Metadata[metaVersion]
	v, err := strconv.ParseUint(text, 16, 64)
	return storage.Version(v), err == nil && len(text) == 16 && v != math.MaxUint64
}
