package routing

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of a [PreferCache] that names none, and bounds that are fixed.
const (
	DefaultCacheTTL         = 5 * time.Minute
	DefaultNegativeTTL      = time.Second
	DefaultMaxEntry         = 1 << 20
	DefaultCacheTimeout     = time.Second
	RememberedAbsent        = 10_000           // keys of which it is known that nothing of them is cached
	MaxFlights              = 64               // reads of the source on behalf of several callers, at once
	FlightTimeout           = 30 * time.Second // of one of them
	preferCacheName         = "prefer_cache"
	writeInvalidate         = "invalidate"
	writeThrough            = "through"
	writeBack               = "back"
	writeBackIsRefused      = "With write = \"back\" a write would be acknowledged when only the cache has it, and the cache may lose it. Use \"invalidate\" or \"through\"."
	cacheIsSourceIsRefused  = "The cache and the source are the same: what is cached would overwrite what it was read from."
	cacheOfCachesIsRefused  = "A prefer_cache does not keep what another one must know of its entries. Name the backend that caches."
	writeUnknownIsRefusedIn = "write = %q is not known. Use \"invalidate\" or \"through\"."
)

// PreferCache is the policy "prefer_cache": it keeps what was read from its
// source in its cache, and gives it from there.
//
// The source is the truth. Its objects, with their etags, are those of the
// policy, and so are its errors and its capabilities; that Eventual is among
// these is the policy's own doing. Nothing is ever only in the cache, and
// nothing that the cache does fails an operation or makes it wait for longer
// than CacheTimeout.
//
// An entry is given only if no write of its key through this policy has begun
// since it was read, whatever became of that write and of the attempt to delete
// the entry: a caller reads its own writes, and one that has seen a version
// never sees an older one. Writes of others show after TTL at the latest, and at
// once if the source has the capability Watch. An entry that another process
// wrote, or that may have missed a change, is given after the source said that
// its etag is still the same. No entry outlives its object.
//
// Concurrent misses of one key are one read of the source, which goes on when the
// caller that began it is gone. Strong reads, reads that are pinned
// to an etag, batches and listings go to the source. ReadYourWrites and Causal
// are answered from the cache if the object has a version that is new enough for
// the session, as those of redundant have. StaleWhileRevalidate and StaleIfError
// let reads that ask for Eventual, and no others, have an entry past its time.
//
// The cache must be used by nothing else: entries are deleted, overwritten, and
// of no use to whom asks it directly.
type PreferCache struct {
	Cache                string          `stowage:"cache,required,ref" doc:"The backend that caches, and is used for nothing else."`
	Source               string          `stowage:"source,required,ref" doc:"The backend or policy that has everything."`
	TTL                  time.Duration   `stowage:"ttl" default:"5m" min:"1ms" max:"8760h" doc:"How long something is given from the cache before the source is read again. An object's own expiry comes first."`
	NegativeTTL          time.Duration   `stowage:"negative_ttl" default:"1s" min:"1ms" max:"1h" doc:"How long it is remembered that the source does not have a key."`
	MaxEntry             schema.ByteSize `stowage:"max_entry" default:"1MiB" min:"1B" max:"64MiB" doc:"The largest value that is cached."`
	Write                string          `stowage:"write" default:"invalidate" doc:"What a write does to the cache: with invalidate it deletes the entry, with through it stores what was written."`
	StaleWhileRevalidate time.Duration   `stowage:"stale_while_revalidate" default:"0s" min:"0s" max:"8760h" doc:"How long past its time an entry is given to reads of eventual consistency while the source is read anew. 0: never."`
	StaleIfError         time.Duration   `stowage:"stale_if_error" default:"0s" min:"0s" max:"8760h" doc:"How long past its time an entry is given to reads of eventual consistency if the source does not answer. 0: never."`
	CacheTimeout         time.Duration   `stowage:"cache_timeout" default:"1s" min:"1ms" max:"1m" doc:"How long an operation waits for the cache before it goes on without."`
}

// Check implements [Checker].
func (o PreferCache) Check(kinds func(string) []string) schema.Diagnostics {
	var diags schema.Diagnostics
	if o.Cache == o.Source {
		diags.Append(schema.Errorf(cty.GetAttrPath("cache"), "The source cannot be its own cache", "%s", cacheIsSourceIsRefused))
	}
	if backend := sharedBackend(o.Cache, o.Source, kinds); backend != "" && o.Cache != o.Source {
		diags.Append(schema.Errorf(cty.GetAttrPath("cache"), "The cache is part of the source",
			"%s keeps its entries in %s, where %s keeps the objects themselves: filling the cache would overwrite them. Give the cache a backend of its own.", o.Cache, backend, o.Source))
	}
	if slices.Contains(kinds(o.Cache), preferCacheName) {
		diags.Append(schema.Errorf(cty.GetAttrPath("cache"), "A cache made of a cache", "%s", cacheOfCachesIsRefused))
	}
	switch o.Write {
	case "", writeInvalidate, writeThrough:
	case writeBack:
		diags.Append(schema.Errorf(cty.GetAttrPath("write"), "Writing back is not safe", "%s", writeBackIsRefused))
	default:
		diags.Append(schema.Errorf(cty.GetAttrPath("write"), "Unknown way to write", writeUnknownIsRefusedIn, o.Write))
	}
	return diags
}

// Build implements [Policy].
func (o PreferCache) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	if diags := o.Check(func(string) []string { return nil }); diags.HasErrors() {
		return nil, refused(name, "%s", diags[0].Detail)
	}
	cache, err := childrenOf(name, "cache", []string{o.Cache}, child)
	if err != nil {
		return nil, err
	}
	source, err := childrenOf(name, "source", []string{o.Source}, child)
	if err != nil {
		return nil, err
	}
	p := &preferCache{
		Store: source[0].Store, name: name, listener: env.Listener,
		cache: cache[0], source: source[0],
		epoch:        rand.Text()[:12],
		ttl:          cmp.Or(o.TTL, DefaultCacheTTL),
		negativeTTL:  cmp.Or(o.NegativeTTL, DefaultNegativeTTL),
		maxEntry:     cmp.Or(int64(o.MaxEntry), DefaultMaxEntry),
		through:      o.Write == writeThrough,
		revalidate:   o.StaleWhileRevalidate,
		staleOnError: o.StaleIfError,
		timeout:      cmp.Or(o.CacheTimeout, DefaultCacheTimeout),
		written:      newGenerations(),
		notes:        newNotes(),
	}
	p.flights.start(p.watchSource)
	return p, nil
}

// preferCache embeds the source, for what the cache has no part in.
type preferCache struct {
	storage.Store

	name          string
	listener      event.Listener
	cache, source Child
	epoch         string // of its entries

	ttl, negativeTTL         time.Duration
	revalidate, staleOnError time.Duration
	timeout                  time.Duration
	maxEntry                 int64
	through                  bool

	written *generations
	notes   *notes
	flights flights
	asking  atomic.Int64 // who asks the source without being a flight
}

func (p *preferCache) Capabilities() storage.Capabilities {
	caps := p.source.Store.Capabilities()
	caps.Consistency |= storage.ConsistencyLevels(storage.ConsistencyEventual)
	caps.Exclusive = false // it is built and closed without its children
	return caps
}

// Close ends what goes on in the background and waits for it.
func (p *preferCache) Close(context.Context) error {
	p.flights.close()
	return nil
}

// level is how the source is asked for a level: one that does not know Eventual,
// which accepts any answer, for its default.
func (p *preferCache) level(l storage.Consistency) storage.Consistency {
	if l == storage.ConsistencyEventual && !p.source.Store.Capabilities().Consistency.Has(l) {
		return storage.ConsistencyDefault
	}
	return l
}

// cacheIsDown reports whether it would be in vain to ask the cache.
func (p *preferCache) cacheIsDown() bool {
	return p.cache.State != nil && p.cache.State().State == event.BreakerOpen
}

func (p *preferCache) tell(what event.PolicyEvent, child Child, key string, err error) {
	p.listener.Policy(event.PolicyInfo{Policy: p.name, Event: what, Child: child.Name, Key: key, Err: err})
}

// List asks the source.
func (p *preferCache) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	opts.Consistency = p.level(opts.Consistency)
	return p.source.Store.List(ctx, opts)
}
