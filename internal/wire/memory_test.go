package wire

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// newMemory returns a backend as simple as an author would write it. beforeCommit,
// if set, is called between the end of a put's body and its commit, with the
// value; like a careless backend, the put then commits whatever ctx says.
func newMemory(beforeCommit func(value string)) *fakeStore {
	m := &memory{values: make(map[string]memoryValue), beforeCommit: beforeCommit}
	return &fakeStore{
		caps: storage.Capabilities{ConditionalPut: true, Consistency: storage.AllConsistencyLevels()},
		get:  m.get, put: m.put, delete: m.delete,
	}
}

type memory struct {
	mu           sync.Mutex
	version      int
	values       map[string]memoryValue
	beforeCommit func(value string)
}

type memoryValue struct {
	object storage.Object
	data   []byte
}

func (m *memory) get(_ context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	if !ok {
		return nil, storage.Errorf(storage.CodeNotFound, "nothing has that key")
	}
	return storage.NewBytesReader(v.object, opts.Range, v.data)
}

func (m *memory) put(_ context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	m.mu.Lock()
	current := m.values[key].object.ETag
	m.mu.Unlock()
	if opts.If.Kind == storage.ConditionETag && opts.If.ETag != current {
		e := storage.Errorf(storage.CodeFailedPrecondition, "another version")
		e.Current = current
		return storage.PutResult{}, e
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return storage.PutResult{}, err
	}
	if m.beforeCommit != nil {
		m.beforeCommit(string(data))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version++
	obj := storage.Object{Key: key, Size: int64(len(data)), ETag: strconv.Itoa(m.version), CRC32C: storage.Checksum(0, data)}
	m.values[key] = memoryValue{obj, data}
	return storage.PutResult{Object: obj}, nil
}

func (m *memory) delete(context.Context, string, storage.DeleteOptions) (storage.Deleted, error) {
	return storage.Deleted{}, errors.New("nothing is deleted here")
}
