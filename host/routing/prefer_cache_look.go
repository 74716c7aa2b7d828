package routing

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// cachedState is what an entry of the cache is good for.
type cachedState uint8

const (
	useless   cachedState = iota // or there is none
	unchecked                    // if the source has the same etag
	stale                        // for who accepts what is past its time
	fresh                        // for an answer
)

// cachedObject is an entry of the cache, as an object of the source.
type cachedObject struct {
	state  cachedState
	until  int64           // past its time since then, in nanoseconds since 1970
	object storage.Object  // of a Stat
	reader *storage.Reader // of a Get
}

func (c *cachedObject) of() *storage.Object {
	if c.reader != nil {
		return &c.reader.Object
	}
	return &c.object
}

// look asks the cache for key and judges what it has. What a cache that fails, or
// takes too long, does not give is useless; so is what cannot be read to its end.
func (p *preferCache) look(ctx context.Context, c *cachedObject, op event.Op, key string, r storage.Range, now time.Time) {
	if p.cacheIsDown() {
		return
	}
	patient := newPatience(ctx, now, p.timeout)
	defer patient.stop()
	var err error
	if op == event.OpStat {
		c.object, err = p.cache.Store.Stat(patient, key, storage.StatOptions{})
	} else {
		c.reader, err = p.cache.Store.Get(patient, key, storage.GetOptions{Range: r, SharedMetadata: true})
	}
	if err != nil {
		c.reader = nil
		return
	}
	o := c.of()
	s, ok := parseCacheStamp(o.Metadata[metaCached])
	if ok && o.Size <= p.maxEntry {
		c.state, c.until = p.judge(key, s, now.UnixNano()), s.fresh
	}
	if c.state == useless {
		c.close()
		return
	}
	s.apply(o)
	if c.reader == nil || c.reader.InMemory() {
		return
	}
	// From here on the cache may fail and the caller take its time.
	value, err := c.reader.Bytes()
	if err != nil {
		c.state, c.reader = useless, nil
		return
	}
	c.reader = storage.NewReader(*o, c.reader.Offset, int64(len(value)), io.NopCloser(bytes.NewReader(value)))
}

// judge says what an entry is good for.
func (p *preferCache) judge(key string, s cacheStamp, now int64) cachedState {
	if s.expires != 0 && now >= s.expires {
		return useless
	}
	seq := s.seq
	if s.epoch != p.epoch {
		seq = 0
	}
	switch p.written.good(key, seq, now) {
	case replaced:
		return useless
	case uncertain:
		return unchecked
	}
	if now < s.fresh {
		return fresh
	}
	return stale
}

func (c *cachedObject) close() {
	if c.reader != nil {
		_ = c.reader.Close() // nothing of it is used
		c.reader = nil
	}
}
