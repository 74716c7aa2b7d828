package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const (
	// DefaultMaxBytes is the MaxBytes of [Options] that name none.
	DefaultMaxBytes = 64 << 20
	// Overhead is what an object counts for besides its key, value, content
	// type and metadata, in bytes.
	Overhead = 256
)

// Options configure Open. The zero value is a cache of 64 MiB.
type Options struct {
	// MaxBytes bounds keys, values and metadata, and Overhead for each object,
	// together. Beyond it the cache forgets. Values being put are bounded by it
	// once more. 0: [DefaultMaxBytes].
	MaxBytes int64
	// TTL is how long an object is kept at most, whatever its own expiry. It then
	// vanishes; a listing and ExpiresAt say nothing of it. 0: no bound.
	TTL time.Duration
}

// Open makes an empty cache. It lives in the memory of this process until Close.
func Open(opts Options) (storage.Backend, error) {
	opts.MaxBytes = cmp.Or(opts.MaxBytes, DefaultMaxBytes)
	if opts.MaxBytes <= Overhead || opts.TTL < 0 {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "a cache of %d bytes with a TTL of %v cannot hold anything", opts.MaxBytes, opts.TTL)
	}
	var opening [8]byte
	_, _ = rand.Read(opening[:]) // never fails, says its documentation
	b := &backend{ttl: opts.TTL, staging: staging{limit: opts.MaxBytes}, opening: hex.EncodeToString(opening[:]) + "-"}
	entries, err := otter.New(&otter.Options[string, *entry]{
		MaximumWeight:    uint64(opts.MaxBytes),
		Weigher:          func(_ string, e *entry) uint32 { return e.weight },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *entry]) time.Duration { return e.Value.kept }),
		Executor:         func(f func()) { f() }, // nothing of the cache outlives the call that caused it
		Logger:           &otter.NoopLogger{},
	})
	if err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "%w", err)
	}
	b.entries = entries
	return b, nil
}

type backend struct {
	entries *otter.Cache[string, *entry]
	ttl     time.Duration
	staging staging
	closed  atomic.Bool

	opening  string // begins the etags, so that no two openings share one
	versions atomic.Uint64
}

// entry is one version of an object. It does not change.
type entry struct {
	object storage.Object
	value  []byte
	weight uint32
	kept   time.Duration // then the cache shows it no more
}

// forever is longer than any process runs, and short enough to be added to.
const forever = 200 * 365 * 24 * time.Hour

// keep sets how long e is kept.
func (e *entry) keep(ttl, limit time.Duration) {
	e.kept = forever
	for _, d := range []time.Duration{ttl, limit} {
		if d > 0 {
			e.kept = min(e.kept, d)
		}
	}
}

// weigh counts e.
func (e *entry) weigh() {
	w := int64(Overhead + len(e.object.Key) + len(e.object.ContentType) + len(e.value))
	for name, value := range e.object.Metadata {
		w += int64(len(name) + len(value))
	}
	e.weight = uint32(min(w, math.MaxUint32)) //nolint:gosec // bounded
}

// maxValue is the largest value that has room beside a key and its metadata.
func (b *backend) maxValue() int64 {
	const beside = Overhead + storage.MaxKeyBytes + storage.MaxContentTypeBytes + storage.MaxBackendMetadataBytes
	return max(min(b.staging.limit, math.MaxUint32)-beside, 1)
}

func (b *backend) etag() string {
	return b.opening + strconv.FormatUint(b.versions.Add(1), 36)
}

// enter is the beginning of every operation.
func (b *backend) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return storage.AsError(err)
	}
	if b.closed.Load() {
		return storage.Errorf(storage.CodeUnavailable, "the backend is closed")
	}
	return nil
}

func (b *backend) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut:    true,
		ConditionalDelete: true,
		TTL:               true,
		Consistency:       storage.AllConsistencyLevels(),
		MaxValueSize:      b.maxValue(),
	}
}

// Close implements storage.Backend. Open readers go on.
func (b *backend) Close(context.Context) error {
	if b.closed.CompareAndSwap(false, true) {
		b.entries.StopAllGoroutines()
		b.entries.InvalidateAll()
	}
	return nil
}
