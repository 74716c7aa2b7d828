package routing

import (
	"context"
	"maps"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// cacheable reports whether a read of this kind may be answered by the cache.
func (p *preferCache) cacheable(match string, level storage.Consistency) bool {
	switch {
	case match != "":
		return false
	case anyone(level):
		return true
	default:
		return level != storage.ConsistencyStrong && p.source.Store.Capabilities().Consistency.Has(level)
	}
}

// seen reports whether the session of a read may be given o, and tells it.
func seen(o *storage.Object, level storage.Consistency, s *storage.Session) bool {
	if s == nil && anyone(level) {
		return true
	}
	v, ok := versionOf(o)
	if !anyone(level) && (!ok || s != nil && v < s.Least(o.Key)) {
		return false
	}
	if ok && s != nil {
		s.Observe(o.Key, v)
	}
	return true
}

func (p *preferCache) told(op event.Op, hit bool) {
	p.listener.Cache(event.CacheInfo{Policy: p.name, Op: op, Hit: hit})
}

func notInSource(p *preferCache) error {
	return storage.Errorf(storage.CodeNotFound, "%s did not have it a moment ago", p.source.Name)
}

// Get answers from the cache, or reads the source together with others who want
// the same.
func (p *preferCache) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := storage.ValidateGet(key, opts); err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	asked := opts.Consistency
	opts.Consistency = p.level(asked)
	if !p.cacheable(opts.IfMatch, asked) || ctx.Err() != nil {
		return p.source.Store.Get(ctx, key, opts)
	}
	now := time.Now()
	var c cachedObject
	noted := p.noted(key, now.UnixNano())
	switch noted {
	case absent:
		if anyone(asked) {
			p.told(event.OpGet, true)
			return nil, storage.Annotate(notInSource(p), "get", key)
		}
	case noNote:
		p.look(ctx, &c, event.OpGet, key, opts.Range, now)
	}
	if c.state == fresh && seen(c.of(), asked, opts.Session) {
		p.told(event.OpGet, true)
		return c.reader, nil
	}
	if asked == storage.ConsistencyEventual && c.state == stale && p.within(&c, p.revalidate, now) {
		p.told(event.OpGet, true)
		p.tell(event.ServedStale, p.cache, key, nil)
		p.fetch(key, false)
		return c.reader, nil
	}
	p.told(event.OpGet, false)
	r, err := p.miss(ctx, key, opts, asked, c.state == unchecked, noted != noNote)
	if err != nil && asked == storage.ConsistencyEventual && p.within(&c, p.staleOnError, now) && failsOver(ctx, err) {
		p.tell(event.ServedStale, p.cache, key, err)
		return c.reader, nil
	}
	c.close()
	return r, err
}

// within reports whether c is at most limit past its time.
func (p *preferCache) within(c *cachedObject, limit time.Duration, now time.Time) bool {
	return limit > 0 && c.state != useless && now.UnixNano() < c.until+int64(limit)
}

// miss reads the source, alone or sharing one read with others.
func (p *preferCache) miss(ctx context.Context, key string, opts storage.GetOptions, asked storage.Consistency, check, alone bool) (*storage.Reader, error) {
	if alone || !anyone(asked) {
		return p.source.Store.Get(ctx, key, opts)
	}
	f := p.fetch(key, check)
	if f == nil {
		return p.source.Store.Get(ctx, key, opts)
	}
	select {
	case <-f.landed:
	case <-ctx.Done():
		return nil, storage.Annotate(ctx.Err(), "get", key)
	}
	switch {
	case f.direct, f.err != nil && asked == storage.ConsistencyEventual && opts.Consistency == asked && failsOver(ctx, f.err):
		return p.source.Store.Get(ctx, key, opts)
	case f.err != nil:
		return nil, storage.Annotate(f.err, "get", key)
	}
	o := f.object
	o.Metadata = maps.Clone(o.Metadata)
	r, err := storage.NewBytesReader(o, opts.Range, f.value)
	if err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	seen(&o, asked, opts.Session)
	return r, nil
}

// Stat answers from the cache or asks the source.
func (p *preferCache) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := storage.ValidateStat(key, opts); err != nil {
		return storage.Object{}, storage.Annotate(err, "stat", key)
	}
	asked := opts.Consistency
	opts.Consistency = p.level(asked)
	if !p.cacheable(opts.IfMatch, asked) || ctx.Err() != nil {
		return p.source.Store.Stat(ctx, key, opts)
	}
	now := time.Now()
	var c cachedObject
	switch p.noted(key, now.UnixNano()) {
	case absent:
		if anyone(asked) {
			p.told(event.OpStat, true)
			return storage.Object{}, storage.Annotate(notInSource(p), "stat", key)
		}
	case noNote:
		p.look(ctx, &c, event.OpStat, key, storage.Range{}, now)
	}
	if c.state == fresh && seen(c.of(), asked, opts.Session) {
		p.told(event.OpStat, true)
		return c.object, nil
	}
	eventual := asked == storage.ConsistencyEventual
	if eventual && c.state == stale && p.within(&c, p.revalidate, now) {
		p.told(event.OpStat, true)
		p.tell(event.ServedStale, p.cache, key, nil)
		p.fetch(key, false)
		return c.object, nil
	}
	p.told(event.OpStat, false)
	p.asking.Add(1)
	defer p.asking.Add(-1)
	seq, shared := p.written.now(key, now.UnixNano())
	o, err := p.source.Store.Stat(ctx, key, opts)
	switch {
	case err == nil:
	case storage.CodeOf(err) == storage.CodeNotFound && shared && asked == storage.ConsistencyDefault:
		p.noteAbsent(key, seq)
	case eventual && p.within(&c, p.staleOnError, now) && failsOver(ctx, err):
		p.tell(event.ServedStale, p.cache, key, err)
		return c.object, nil
	}
	return o, err
}

func (p *preferCache) noteAbsent(key string, seq uint64) {
	p.notes.put(key, note{what: absent, seq: seq, until: time.Now().Add(p.negativeTTL).UnixNano()})
}
