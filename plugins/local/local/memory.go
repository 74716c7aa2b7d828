package local

import (
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/RaduBerinde/btreemap"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MemoryOptions configure OpenMemory. The zero value is a store without a
// bound.
type MemoryOptions struct {
	// MaxBytes bounds keys, values, metadata and 256 bytes for each object,
	// stored and being written, together; beyond it writes fail with
	// QuotaExceeded. An overwrite needs room for both versions until it is
	// done. Versions that are still being read after they were replaced do not
	// count. 0: no bound.
	MaxBytes int64
	// SweepInterval is how often expired objects, which are invisible at once,
	// are removed to free their room. They are also removed when room is
	// wanted. 0: 30 s.
	SweepInterval time.Duration
	// WatchHistory is how many events a watcher may be behind before it gets a
	// gap. 0: 8192.
	WatchHistory int
	// Logger receives warnings. Nil: none.
	Logger *slog.Logger
}

// OpenMemory opens an empty store that lives in the memory of this process.
func OpenMemory(opts MemoryOptions) storage.Backend {
	s := &store{
		versions: newVersionSource(),
		quota:    &quota{limit: opts.MaxBytes},
		logger:   cmp.Or(opts.Logger, slog.New(slog.DiscardHandler)),
		now:      time.Now,
		caps:     capabilities(),
	}
	origin := s.versions.next()
	s.log = newChangeLog(binary.BigEndian.Uint64(origin[:8]), cmp.Or(opts.WatchHistory, defaultWatchHistory), nil, 0)
	s.engine = newMemoryEngine(s.versions, s.quota)
	s.start(cmp.Or(opts.SweepInterval, defaultSweepInterval))
	return s
}

// memoryEngine keeps everything in maps: one for lookups, and two ordered ones
// for listings and for what expires.
type memoryEngine struct {
	versions *versionSource
	quota    *quota

	mu       sync.RWMutex
	records  map[string]*record
	ordered  *btreemap.BTreeMap[string, *record]
	expiries *btreemap.BTreeMap[expiry, struct{}]
}

type expiry struct {
	at  int64 // nanoseconds since 1970
	key string
}

func compareExpiries(a, b expiry) int {
	return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.key, b.key))
}

const btreeDegree = 32

func newMemoryEngine(versions *versionSource, q *quota) *memoryEngine {
	return &memoryEngine{
		versions: versions,
		quota:    q,
		records:  make(map[string]*record),
		ordered:  btreemap.New[string, *record](btreeDegree, strings.Compare),
		expiries: btreemap.New[expiry, struct{}](btreeDegree, compareExpiries),
	}
}

func (e *memoryEngine) lookup(key string) (*record, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.records[key], nil
}

func (e *memoryEngine) scan(prefix, from string, visit func(*record) (string, bool)) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	from = max(from, prefix)
	for {
		next := ""
		for key, r := range e.ordered.Ascend(btreemap.GE(from), btreemap.LT(prefix+afterAll)) {
			seek, more := visit(r)
			if !more {
				return nil
			}
			if seek > key {
				next = seek
				break
			}
		}
		if next == "" {
			return nil
		}
		from = next
	}
}

func (e *memoryEngine) expired(now time.Time, limit int) ([]string, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var keys []string
	for x := range e.expiries.Ascend(btreemap.Min[expiry](), btreemap.LT(expiry{at: now.UnixNano() + 1})) {
		keys = append(keys, x.key)
		if len(keys) == limit {
			break
		}
	}
	return keys, nil
}

func (e *memoryEngine) open(ctx context.Context, r *record, offset, _ int64) (io.ReadCloser, error) {
	return r.value.reader(ctx, offset), nil
}

func (e *memoryEngine) stage(ctx context.Context, body io.Reader, sizeHint int64) (*staged, error) {
	s := stager{body: bodyReader{ctx, body}, quota: e.quota}
	if _, err := s.fill(sizeHint, math.MaxInt64); err != nil {
		e.quota.release(s.reserved)
		return nil, err
	}
	return &staged{id: e.versions.next(), size: s.size, crc: s.crc, place: inMemory, value: s.chunks, reserved: s.reserved}, nil
}

func (e *memoryEngine) stageCopy(_ context.Context, r *record) (*staged, error) {
	return &staged{id: e.versions.next(), size: r.object.Size, crc: r.object.CRC32C, place: inMemory, value: r.value}, nil
}

func (e *memoryEngine) commit(commit *commit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range commit.changes {
		if c.old != nil && !c.old.object.ExpiresAt.IsZero() {
			e.expiries.Delete(expiry{c.old.object.ExpiresAt.UnixNano(), c.key})
		}
		if c.next == nil {
			delete(e.records, c.key)
			e.ordered.Delete(c.key)
			continue
		}
		e.records[c.key] = c.next
		e.ordered.ReplaceOrInsert(c.key, c.next)
		if !c.next.object.ExpiresAt.IsZero() {
			e.expiries.ReplaceOrInsert(expiry{c.next.object.ExpiresAt.UnixNano(), c.key}, struct{}{})
		}
	}
	return nil
}

func (e *memoryEngine) settle(*staged) error     { return nil }
func (e *memoryEngine) discard(*staged)          {}
func (e *memoryEngine) release(*record)          {}
func (e *memoryEngine) maintain(context.Context) {}
func (e *memoryEngine) failed() <-chan struct{}  { return nil }
func (e *memoryEngine) health() error            { return nil }
func (e *memoryEngine) probe() error             { return nil }

func (e *memoryEngine) close(bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = nil
	e.ordered.Clear(false)
	e.expiries.Clear(false)
	return nil
}
