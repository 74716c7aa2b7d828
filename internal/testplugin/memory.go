package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// config says how the backend behaves.
type config struct {
	// Delay before every operation on objects.
	Delay time.Duration `stowage:"delay" doc:"Wait before every operation."`
	// PanicKey is a key that no operation survives.
	PanicKey string `stowage:"panic_key" doc:"Panic in every operation on this key."`
	// CloseDelay makes Close slow, whatever its deadline.
	CloseDelay time.Duration `stowage:"close_delay" doc:"Wait when the backend is closed."`
	// SickFor is what CheckHealth complains about.
	SickFor string `stowage:"sick_for" doc:"Report this complaint as the backend's health."`
}

// memory is the plainest backend that keeps the contract.
type memory struct {
	config config

	mu      sync.Mutex
	objects map[string]stored
	writes  int
	closed  bool
}

type stored struct {
	storage.Object
	value []byte
}

func newMemory(c config) *memory { return &memory{config: c, objects: make(map[string]stored)} }

func (m *memory) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut: true, ConditionalDelete: true, HealthCheck: true, Consistency: storage.AllConsistencyLevels(),
	}
}

// behave waits and panics as configured, and refuses a closed backend.
func (m *memory) behave(ctx context.Context, key string) error {
	if m.config.PanicKey != "" && key == m.config.PanicKey {
		panic(fmt.Sprintf("told to panic on %q", key))
	}
	select {
	case <-time.After(m.config.Delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return storage.Errorf(storage.CodeUnavailable, "closed")
	}
	return nil
}

func (m *memory) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := m.behave(ctx, key); err != nil {
		return nil, err
	}
	s, err := m.find(key, opts.IfMatch)
	if err != nil {
		return nil, err
	}
	return storage.NewBytesReader(s.Object, opts.Range, s.value)
}

func (m *memory) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := m.behave(ctx, key); err != nil {
		return storage.Object{}, err
	}
	s, err := m.find(key, opts.IfMatch)
	return s.Object, err
}

func (m *memory) find(key, ifMatch string) (stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.objects[key]
	if !ok {
		return stored{}, storage.Errorf(storage.CodeNotFound, "no such object")
	}
	if ifMatch != "" {
		return s, storage.IfETag(ifMatch).Check(s.ETag)
	}
	return s, nil
}

func (m *memory) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := m.behave(ctx, key); err != nil {
		return storage.PutResult{}, err
	}
	var value bytes.Buffer
	sum := storage.NewChecksumReader(body)
	if _, err := value.ReadFrom(sum); err != nil {
		return storage.PutResult{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, existed := m.objects[key]
	if err := opts.If.Check(old.ETag); err != nil {
		return storage.PutResult{}, err
	}
	m.writes++
	s := stored{value: value.Bytes(), Object: storage.Object{
		Key: key, Size: sum.Size, CRC32C: sum.CRC32C, ETag: strconv.Itoa(m.writes), ContentType: opts.ContentType,
		Metadata: maps.Clone(opts.Metadata), ModTime: time.Now(),
	}}
	m.objects[key] = s
	return storage.PutResult{Object: s.Object, Created: storage.TristateOf(!existed)}, nil
}

func (m *memory) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := m.behave(ctx, key); err != nil {
		return storage.Deleted{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, existed := m.objects[key]
	if err := opts.If.Check(old.ETag); err != nil {
		return storage.Deleted{}, err
	}
	delete(m.objects, key)
	return storage.Deleted{Existed: storage.TristateOf(existed)}, nil
}

func (m *memory) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := m.behave(ctx, ""); err != nil {
		return storage.Page{}, err
	}
	after, err := storage.ParseListToken(opts.Token)
	if err != nil {
		return storage.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var page storage.Page
	var last storage.ListPosition
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(key, opts.Prefix) || after.Covers(key) || last.Covers(key) {
			continue
		}
		if len(page.Objects)+len(page.Prefixes) == opts.Limit {
			page.NextToken = last.Token()
			break
		}
		if prefix, ok := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter); ok {
			page.Prefixes = append(page.Prefixes, prefix)
			last = storage.ListPosition{After: prefix, IsPrefix: true}
			continue
		}
		page.Objects = append(page.Objects, m.objects[key].Object)
		last = storage.ListPosition{After: key}
	}
	return page, nil
}

func (m *memory) CheckHealth(context.Context) error {
	if m.config.SickFor != "" {
		return storage.Errorf(storage.CodeUnavailable, "%s", m.config.SickFor)
	}
	return nil
}

func (m *memory) Close(context.Context) error {
	time.Sleep(m.config.CloseDelay)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
