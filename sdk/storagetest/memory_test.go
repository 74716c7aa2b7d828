package storagetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// disk is what memory backends keep their objects on; it outlives them.
type disk struct {
	mu      sync.Mutex
	objects map[string]object
	serial  uint64
	limit   int64 // of a value, in bytes
	events  []storage.Event
	// news is closed and replaced when an event is added or a backend closed.
	news chan struct{}
}

type object struct {
	storage.Object
	value []byte
}

func newDisk() *disk {
	return &disk{objects: make(map[string]object), limit: 64 << 20, news: make(chan struct{})}
}

// memory is the reference: the whole contract in the plainest way, under one
// lock and with every value held.
type memory struct {
	*disk
	closed atomic.Bool
}

func newMemory() *memory { return &memory{disk: newDisk()} }

func (m *memory) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, TTL: true, Batch: true, AtomicBatch: true, Watch: true,
		Transactions: true, Copy: true, HealthCheck: true, Durable: true,
		Consistency: storage.AllConsistencyLevels(), MaxValueSize: m.limit,
	}
}

func (m *memory) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return storage.AsError(err)
	}
	if m.closed.Load() {
		return storage.Errorf(storage.CodeUnavailable, "the backend is closed")
	}
	return nil
}

// locked calls f under the lock if the backend is usable.
func (m *memory) locked(ctx context.Context, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	return f()
}

// live returns the object of key unless it is missing or expired.
func (d *disk) live(key string) (object, bool) {
	o, ok := d.objects[key]
	if !ok || o.Expired(time.Now()) {
		return object{}, false
	}
	o.Metadata = maps.Clone(o.Metadata)
	return o, true
}

func (d *disk) find(key, ifMatch string) (object, error) {
	o, ok := d.live(key)
	if !ok {
		return object{}, storage.Errorf(storage.CodeNotFound, "no such object")
	}
	if ifMatch != "" {
		if err := storage.IfETag(ifMatch).Check(o.ETag); err != nil {
			return object{}, err
		}
	}
	return o, nil
}

func (d *disk) store(key string, value []byte, opts storage.PutOptions) (storage.PutResult, error) {
	old, existed := d.live(key)
	if err := opts.If.Check(old.ETag); err != nil {
		return storage.PutResult{}, err
	}
	d.serial++
	o := object{value: value, Object: storage.Object{
		Key: key, Size: int64(len(value)), ETag: fmt.Sprintf("v%d", d.serial), ContentType: opts.ContentType,
		Metadata: maps.Clone(opts.Metadata), ModTime: time.Now(), CRC32C: storage.Checksum(0, value),
	}}
	if opts.TTL > 0 {
		o.ExpiresAt = o.ModTime.Add(opts.TTL)
	}
	d.objects[key] = o
	d.report(storage.Event{Kind: storage.EventPut, Key: key, ETag: o.ETag})
	o.Metadata = maps.Clone(o.Metadata)
	return storage.PutResult{Object: o.Object, Created: storage.TristateOf(!existed)}, nil
}

func (d *disk) remove(key string, cond storage.Condition) (storage.Deleted, error) {
	old, existed := d.live(key)
	if err := cond.Check(old.ETag); err != nil {
		return storage.Deleted{}, err
	}
	delete(d.objects, key)
	if existed {
		d.report(storage.Event{Kind: storage.EventDelete, Key: key})
	}
	return storage.Deleted{Existed: storage.TristateOf(existed)}, nil
}

func (d *disk) report(e storage.Event) {
	e.Cursor = cursorAt(len(d.events) + 1)
	d.events = append(d.events, e)
	d.wake()
}

func (d *disk) wake() {
	close(d.news)
	d.news = make(chan struct{})
}

func (m *memory) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	err = m.locked(ctx, func() error {
		o, err := m.find(key, opts.IfMatch)
		if err != nil {
			return err
		}
		r, err = storage.NewBytesReader(o.Object, opts.Range, o.value)
		return err
	})
	return r, err
}

func (m *memory) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	err = m.locked(ctx, func() error {
		found, err := m.find(key, opts.IfMatch)
		o = found.Object
		return err
	})
	return o, err
}

func (m *memory) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	if err := m.usable(ctx); err != nil {
		return res, err
	}
	value, err := io.ReadAll(body)
	if err != nil {
		return res, err
	}
	err = m.locked(ctx, func() error {
		res, err = m.store(key, value, opts)
		return err
	})
	return res, err
}

func (m *memory) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	err = m.locked(ctx, func() error {
		d, err = m.remove(key, opts.If)
		return err
	})
	return d, err
}

func (m *memory) List(ctx context.Context, opts storage.ListOptions) (page storage.Page, err error) {
	at, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return page, err
	}
	err = m.locked(ctx, func() error {
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			o, ok := m.live(key)
			if !ok || !strings.HasPrefix(key, opts.Prefix) || at.Covers(key) {
				continue
			}
			if len(page.Objects)+len(page.Prefixes) == opts.Limit {
				page.NextToken = at.Token()
				return nil
			}
			if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
				page.Prefixes = append(page.Prefixes, prefix)
				at = storage.ListPosition{After: prefix, IsPrefix: true}
				continue
			}
			page.Objects = append(page.Objects, o.Object)
			at = storage.ListPosition{After: key}
		}
		return nil
	})
	return page, err
}

func (m *memory) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) (results []storage.BatchResult, err error) {
	err = m.locked(ctx, func() error {
		results = m.apply(ops, opts.Atomic)
		return nil
	})
	return results, err
}

func (m *memory) Commit(ctx context.Context, tx storage.Transaction) (results []storage.BatchResult, err error) {
	err = m.locked(ctx, func() error {
		for _, c := range tx.Checks {
			if o, _ := m.live(c.Key); o.ETag != c.ETag {
				return storage.Errorf(storage.CodeAborted, "%q changed", c.Key)
			}
		}
		results = m.apply(tx.Ops, true)
		return nil
	})
	return results, err
}

// apply runs the operations; if one of an atomic batch fails it takes back
// what the others did.
func (d *disk) apply(ops []storage.BatchOp, atomic bool) []storage.BatchResult {
	before, events := maps.Clone(d.objects), len(d.events)
	results := make([]storage.BatchResult, len(ops))
	failed := false
	for i, op := range ops {
		d.applyOne(op, &results[i])
		failed = failed || results[i].Err != nil
	}
	if atomic && failed {
		d.objects, d.events = before, d.events[:events]
		for i := range results {
			if results[i].Err == nil {
				results[i] = storage.BatchResult{Err: storage.Errorf(storage.CodeAborted, "another operation of the batch failed")}
			}
		}
	}
	return results
}

func (d *disk) applyOne(op storage.BatchOp, r *storage.BatchResult) {
	switch op.Kind {
	case storage.BatchGet, storage.BatchStat:
		var o object
		o, r.Err = d.find(op.Key, "")
		r.Object = o.Object
		if op.Kind == storage.BatchGet {
			r.Value = bytes.Clone(o.value)
		}
	case storage.BatchPut:
		var res storage.PutResult
		res, r.Err = d.store(op.Key, bytes.Clone(op.Value), op.Put)
		r.Object, r.Created = res.Object, res.Created
	case storage.BatchDelete:
		var res storage.Deleted
		res, r.Err = d.remove(op.Key, op.Delete.If)
		r.Existed = res.Existed
	}
}

func (m *memory) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (res storage.PutResult, err error) {
	err = m.locked(ctx, func() error {
		o, err := m.find(src, opts.SourceIfMatch)
		if err != nil {
			return storage.Annotate(err, "copy", src)
		}
		put := storage.PutOptions{If: opts.If, ContentType: o.ContentType, Metadata: o.Metadata}
		if !o.ExpiresAt.IsZero() {
			put.TTL = time.Until(o.ExpiresAt)
		}
		res, err = m.store(dst, o.value, put)
		return err
	})
	return res, err
}

func (m *memory) CheckHealth(ctx context.Context) error { return m.usable(ctx) }

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed.Store(true)
	m.wake()
	return nil
}

func cursorAt(n int) string { return fmt.Sprintf("event-%d", n) }

func (m *memory) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	s := &stream{m: m, ctx: ctx, prefix: opts.Prefix, closed: make(chan struct{})}
	err := m.locked(ctx, func() error {
		s.at = len(m.events)
		if opts.Cursor == "" {
			return nil
		}
		if _, err := fmt.Sscanf(opts.Cursor, "event-%d", &s.at); err != nil || s.at > len(m.events) {
			return storage.Errorf(storage.CodeInvalidArgument, "the cursor is not one")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

type stream struct {
	m      *memory
	ctx    context.Context
	prefix string
	at     int
	once   sync.Once
	closed chan struct{}
}

func (s *stream) Cursor() string { return cursorAt(s.at) }

func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *stream) Next(ctx context.Context) (storage.Event, error) {
	for {
		select {
		case <-ctx.Done():
			return storage.Event{}, storage.AsError(ctx.Err())
		case <-s.ctx.Done():
			return storage.Event{}, storage.AsError(s.ctx.Err())
		case <-s.closed:
			return storage.Event{}, storage.Errorf(storage.CodeCanceled, "the stream is closed")
		default:
		}
		e, news, err := s.next()
		if err != nil || e.Kind != 0 {
			return e, err
		}
		select {
		case <-news:
		case <-ctx.Done():
		case <-s.ctx.Done():
		case <-s.closed:
		}
	}
}

// next returns the next event of the prefix, or what to wait for.
func (s *stream) next() (storage.Event, <-chan struct{}, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed.Load() {
		return storage.Event{}, nil, storage.Errorf(storage.CodeUnavailable, "the backend is closed")
	}
	for s.at < len(s.m.events) {
		e := s.m.events[s.at]
		s.at++
		if strings.HasPrefix(e.Key, s.prefix) {
			return e, nil, nil
		}
	}
	return storage.Event{}, s.m.news, nil
}

// reopen closes a backend and opens its disk again.
func reopen(ctx context.Context, m *memory) (*memory, error) {
	if err := m.Close(ctx); err != nil {
		return nil, err
	}
	return &memory{disk: m.disk}, nil
}
