package routing

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// flight is one read of the source for all who miss a key meanwhile. Its result
// is theirs once landed is closed.
type flight struct {
	seq    uint64 // at which it began
	landed chan struct{}

	object storage.Object
	value  []byte // not to be changed
	err    error
	direct bool // there is nothing to share: each reads for itself
}

// flights are those under way, by key, and whatever else a policy does in the
// background.
type flights struct {
	mu     sync.Mutex
	closed bool
	count  int
	byKey  map[string]*flight
	ctx    func() context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// start begins with watch, which returns when its context ends.
func (f *flights) start(watch func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	f.byKey, f.ctx, f.cancel = map[string]*flight{}, func() context.Context { return ctx }, cancel
	f.work.Go(func() { watch(ctx) })
}

// close ends everything and waits for it.
func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.work.Wait()
}

// under reports whether there is a flight of key.
func (f *flights) under(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byKey[key] != nil
}

// fetch returns the flight of key that a reader who comes now may share, begun if
// there is none; or nil, if the key is being written, or too many are under way.
// With check the cache has an entry that may only lack the source's consent.
func (p *preferCache) fetch(key string, check bool) *flight {
	f := &p.flights
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now().UnixNano()
	if running := f.byKey[key]; running != nil && p.written.good(key, running.seq, now) == current {
		return running
	}
	seq, ok := p.written.now(key, now)
	if !ok || f.closed || f.count >= MaxFlights {
		return nil
	}
	fl := &flight{seq: seq, direct: true, landed: make(chan struct{})}
	f.byKey[key] = fl
	f.count++
	f.work.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx(), FlightTimeout)
		defer cancel()
		p.fly(ctx, key, fl, check)
	})
	return fl
}

// remove takes a flight out, so that nobody joins it any more.
func (f *flights) remove(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey[key] == fl {
		delete(f.byKey, key)
	}
}

// fly reads the source, hands out what it gave, and then keeps it.
func (p *preferCache) fly(ctx context.Context, key string, fl *flight, check bool) {
	defer func() {
		p.flights.remove(key, fl)
		p.flights.mu.Lock()
		p.flights.count--
		p.flights.mu.Unlock()
	}()
	keep := p.readSource(ctx, key, fl, check)
	if !keep {
		p.flights.remove(key, fl) // nobody who comes later shares a failure
	}
	close(fl.landed)
	if keep {
		p.fill(ctx, key, fl.object, fl.value, fl.seq)
	}
}

// readSource fills in the result of fl and reports whether it is to be cached.
func (p *preferCache) readSource(ctx context.Context, key string, fl *flight, check bool) bool {
	if check && p.confirm(ctx, key, fl) {
		fl.direct = false
		return fl.err == nil
	}
	r, err := p.source.Store.Get(ctx, key, storage.GetOptions{})
	if err == nil && r.Length > p.maxEntry {
		_ = r.Close() // each who wants it reads it
		p.noteUncached(key, fl.seq)
		return false
	}
	if err == nil {
		fl.object = r.Object
		fl.value, err = r.Bytes()
	}
	if ctx.Err() != nil {
		return false // its time is not that of those who wait
	}
	fl.direct, fl.err = false, err
	if err != nil && storage.CodeOf(err) == storage.CodeNotFound {
		p.noteAbsent(key, fl.seq)
	}
	return err == nil
}

// confirm gives the value of an entry of the cache if the source says that it is
// still the same, or the source's answer that there is none.
func (p *preferCache) confirm(ctx context.Context, key string, fl *flight) bool {
	o, err := p.source.Store.Stat(ctx, key, storage.StatOptions{})
	if err != nil {
		if storage.CodeOf(err) != storage.CodeNotFound {
			return false
		}
		fl.err = err
		p.noteAbsent(key, fl.seq)
		return true
	}
	if o.Size > p.maxEntry {
		return false
	}
	cacheCtx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	r, err := p.cache.Store.Get(cacheCtx, key, storage.GetOptions{})
	if err != nil {
		return false
	}
	defer r.Close()
	s, ok := parseCacheStamp(r.Object.Metadata[metaCached])
	if !ok || s.etag != o.ETag || r.Object.Size != o.Size || r.Object.CRC32C != o.CRC32C {
		return false
	}
	value, err := r.Bytes()
	if err != nil {
		return false
	}
	fl.object, fl.value = o, value
	return true
}

// fill puts what was read of the source at seq into the cache, unless the key was
// written meanwhile, and reports whether it has tried. What the cache does not keep
// is no harm.
func (p *preferCache) fill(ctx context.Context, key string, o storage.Object, value []byte, seq uint64) bool {
	now := time.Now()
	s := p.stampFor(o, seq, now.UnixNano())
	switch {
	case p.written.good(key, seq, now.UnixNano()) != current:
		p.tell(event.FillDropped, p.cache, key, nil)
		return false
	case p.cacheIsDown():
		p.tell(event.FillDropped, p.cache, key, storage.Errorf(storage.CodeUnavailable, "%s is down", p.cache.Name))
		return false
	case s.fresh <= now.UnixNano(), !s.exact(o):
		return false
	}
	opts := storage.PutOptions{ContentType: o.ContentType, Metadata: s.metadata(o), SizeHint: int64(len(value))}
	if p.cache.Store.Capabilities().TTL {
		opts.TTL = min(time.Duration(s.fresh-now.UnixNano())+max(p.revalidate, p.staleOnError), storage.MaxTTL)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if _, err := p.cache.Store.Put(ctx, key, bytes.NewReader(value), opts); err != nil {
		p.tell(event.FillDropped, p.cache, key, err)
		switch storage.CodeOf(err) {
		case storage.CodeTooLarge, storage.CodeInvalidArgument: // trying again is in vain
			p.noteUncached(key, seq)
		}
	}
	return true
}

func (p *preferCache) noteUncached(key string, seq uint64) {
	p.notes.put(key, note{what: uncached, seq: seq, until: time.Now().Add(p.ttl).UnixNano()})
}
