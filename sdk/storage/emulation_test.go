package storage_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// holding is a backend that has the value "value" under every key but
// "missing", and for which a put of "full" fails.
func holding(object storage.Object) *seven {
	b := &seven{caps: storage.Capabilities{TTL: true}}
	b.get = func(key string) (*storage.Reader, error) {
		if key == "missing" {
			return nil, storage.Errorf(storage.CodeNotFound, "no such object")
		}
		return storage.NewBytesReader(object, storage.Range{}, []byte("value"))
	}
	b.put = func(key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
		if key == "full" {
			return storage.PutResult{}, storage.Errorf(storage.CodeQuotaExceeded, "no room")
		}
		n, err := io.Copy(io.Discard, body)
		return storage.PutResult{Created: storage.Yes, Object: storage.Object{
			Key: key, Size: n, ContentType: opts.ContentType, Metadata: opts.Metadata, ExpiresAt: time.Now().Add(opts.TTL),
		}}, err
	}
	return b
}

func TestBatchIsEmulatedOneByOne(t *testing.T) {
	b := holding(objectOf("value"))
	results, err := storage.Complete(b).Batch(t.Context(), []storage.BatchOp{
		{Kind: storage.BatchPut, Key: "a", Value: []byte("four")},
		{Kind: storage.BatchGet, Key: "a"},
		{Kind: storage.BatchGet, Key: "missing"},
		{Kind: storage.BatchPut, Key: "full"},
		{Kind: storage.BatchStat, Key: "b"},
		{Kind: storage.BatchDelete, Key: "c"},
	}, storage.BatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(b.calls, ", "), "put a, get a, get missing, put full, stat b, delete c"; got != want {
		t.Errorf("the backend saw  %s\nwant %s", got, want)
	}
	if r := results[0]; r.Err != nil || r.Object.Size != 4 || r.Created != storage.Yes {
		t.Errorf("put: %+v", r)
	}
	if r := results[1]; r.Err != nil || string(r.Value) != "value" || r.Object.ETag != "v1" {
		t.Errorf("get: %+v", r)
	}
	wantCode(t, results[2].Err, storage.CodeNotFound)
	wantCode(t, results[3].Err, storage.CodeQuotaExceeded)
	if e := storage.AsError(results[2].Err); e != nil && e.Key != "missing" {
		t.Errorf("the error names the key %q", e.Key)
	}
	if r := results[4]; r.Err != nil || r.Object.Key != "b" {
		t.Errorf("stat: %+v", r)
	}
	if r := results[5]; r.Err != nil || r.Existed != storage.Yes {
		t.Errorf("delete: %+v", r)
	}
}

func TestEmulatedBatchBoundsWhatItReads(t *testing.T) {
	value := make([]byte, storage.MaxBatchBytes)
	object := storage.Object{Size: int64(len(value)), CRC32C: storage.Checksum(0, value)}
	b := &seven{get: func(string) (*storage.Reader, error) { return storage.NewBytesReader(object, storage.Range{}, value) }}
	results, err := storage.Complete(b).Batch(t.Context(), []storage.BatchOp{
		{Kind: storage.BatchGet, Key: "fits"}, {Kind: storage.BatchGet, Key: "does not"},
	}, storage.BatchOptions{})
	if err != nil || results[0].Err != nil || len(results[0].Value) != len(value) {
		t.Fatalf("the first value was not read: %v", err)
	}
	wantCode(t, results[1].Err, storage.CodeTooLarge)
	if e := storage.AsError(results[1].Err); e != nil && (e.Key != "does not" || e.Op != "batch") {
		t.Errorf("the error is %+v", e)
	}
}

func TestCopyIsEmulatedByGetAndPut(t *testing.T) {
	object := objectOf("value")
	object.ContentType, object.Metadata, object.ExpiresAt = "text/plain", map[string]string{"a": "1"}, time.Now().Add(time.Hour)
	s := storage.Complete(holding(object))
	res, err := s.Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := res.Object
	if o.Key != "dst" || o.Size != 5 || o.ContentType != "text/plain" || o.Metadata["a"] != "1" || o.ExpiresAt.Sub(object.ExpiresAt).Abs() > time.Minute {
		t.Errorf("the copy is %+v", o)
	}
	_, err = s.Copy(t.Context(), "missing", "dst", storage.CopyOptions{})
	wantCode(t, err, storage.CodeNotFound)
	if e := storage.AsError(err); e != nil && e.Key != "missing" {
		t.Errorf("the error names the key %q", e.Key)
	}
	object.ExpiresAt = time.Now().Add(-time.Second)
	_, err = storage.Complete(holding(object)).Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	wantCode(t, err, storage.CodeNotFound)
	damaged := objectOf("value")
	damaged.CRC32C++
	_, err = storage.Complete(holding(damaged)).Copy(t.Context(), "src", "dst", storage.CopyOptions{})
	wantCode(t, err, storage.CodeDataLoss)
}

func TestABatchThatLosesResultsIsInternal(t *testing.T) {
	b := &losing{all{seven{caps: everything()}}}
	_, err := storage.Complete(b).Batch(t.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}}, storage.BatchOptions{})
	wantCode(t, err, storage.CodeInternal)
	if errors.Is(err, storage.ErrNotFound) {
		t.Error("another code is found too")
	}
}

// losing answers batches without results.
type losing struct{ all }

func (l *losing) Batch(context.Context, []storage.BatchOp, storage.BatchOptions) ([]storage.BatchResult, error) {
	return nil, nil
}
