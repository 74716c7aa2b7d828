package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func putString(t *testing.T, s storage.Store, key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(value), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func getString(t *testing.T, s storage.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestMalformedPutsChangeNothing(t *testing.T) {
	header := &storagev1.PutRequest_Header{Backend: "b1", Key: "k"}
	trailer := func(value string) *storagev1.PutRequest_Trailer {
		return &storagev1.PutRequest_Trailer{Size: int64(len(value)), Crc32C: storage.Checksum(0, []byte(value))}
	}
	big := strings.Repeat("x", MaxChunkBytes+1)
	for _, test := range []struct {
		name     string
		messages []*storagev1.PutRequest
		want     storage.Code
	}{
		{"no message", nil, storage.CodeCanceled},
		{"no header", []*storagev1.PutRequest{{Data: []byte("new"), Trailer: trailer("new")}}, storage.CodeInvalidArgument},
		{"no trailer", []*storagev1.PutRequest{{Header: header, Data: []byte("new")}}, storage.CodeCanceled},
		{"a second header", []*storagev1.PutRequest{{Header: header, Data: []byte("new")}, {Header: header, Trailer: trailer("new")}}, storage.CodeInvalidArgument},
		{"a wrong checksum", []*storagev1.PutRequest{{Header: header, Data: []byte("new"), Trailer: &storagev1.PutRequest_Trailer{Size: 3, Crc32C: 7}}}, storage.CodeDataLoss},
		{"a wrong size", []*storagev1.PutRequest{{Header: header, Data: []byte("new"), Trailer: &storagev1.PutRequest_Trailer{Size: 4, Crc32C: trailer("new").GetCrc32C()}}}, storage.CodeDataLoss},
		{"a large first chunk", []*storagev1.PutRequest{{Header: header, Data: []byte(big), Trailer: trailer(big)}}, storage.CodeInvalidArgument},
		{"a large later chunk", []*storagev1.PutRequest{{Header: header}, {Data: []byte(big), Trailer: trailer(big)}}, storage.CodeInvalidArgument},
		{"an unknown backend", []*storagev1.PutRequest{{Header: &storagev1.PutRequest_Header{Backend: "other", Key: "k"}, Trailer: trailer("")}}, storage.CodeUnavailable},
		{"an empty condition", []*storagev1.PutRequest{{Header: &storagev1.PutRequest_Header{Backend: "b1", Key: "k", Options: &storagev1.PutOptions{Condition: &storagev1.Condition{}}}, Data: []byte("new"), Trailer: trailer("new")}}, storage.CodeInvalidArgument},
		{"a condition that says false", []*storagev1.PutRequest{{Header: &storagev1.PutRequest_Header{Backend: "b1", Key: "k", Options: &storagev1.PutOptions{Condition: &storagev1.Condition{Condition: &storagev1.Condition_Absent{}}}}, Data: []byte("new"), Trailer: trailer("new")}}, storage.CodeInvalidArgument},
		{"an unknown consistency", []*storagev1.PutRequest{{Header: &storagev1.PutRequest_Header{Backend: "b1", Key: "k", Consistency: 77}, Data: []byte("new"), Trailer: trailer("new")}}, storage.CodeInvalidArgument},
		{"a message over the limit", []*storagev1.PutRequest{{Header: header}, {Data: make([]byte, MaxMessageBytes-64)}}, storage.CodeInvalidArgument},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, conn := openConn(t, newMemory(nil))
			putString(t, store, "k", "old")
			stream, err := storagev1.NewStorageClient(conn).Put(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range test.messages {
				if err := stream.Send(m); err != nil {
					break // the status says why
				}
			}
			_, err = stream.CloseAndRecv()
			if err == nil {
				t.Fatal("the put succeeded")
			}
			if got := storage.CodeOf(errorFromStatus(err, "put", "k", false)); got != test.want {
				t.Errorf("got %v, want %v: %v", got, test.want, err)
			}
			if got := getString(t, store, "k"); got != "old" {
				t.Errorf("the value is %q, want the old one", got)
			}
		})
	}
}

func TestBodiesThatFailChangeNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"an error", io.MultiReader(strings.NewReader("new"), iotest.ErrReader(io.ErrClosedPipe)), io.ErrClosedPipe},
		{"an end too early", io.MultiReader(strings.NewReader("new"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		{"an end too early after chunks", io.MultiReader(bytes.NewReader(make([]byte, 3*chunkBytes)), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		{"no progress", idleReader{}, io.ErrNoProgress},
		{"an error of the contract", iotest.ErrReader(storage.Errorf(storage.CodeThrottled, "slow")), storage.ErrThrottled},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := open(t, newMemory(nil))
			putString(t, store, "k", "old")
			_, err := store.Put(t.Context(), "k", test.body, storage.PutOptions{})
			if !errors.Is(err, test.want) || storage.AsError(err).OutcomeUnknown {
				t.Errorf("got %v, want %v with a known outcome", err, test.want)
			}
			if got := getString(t, store, "k"); got != "old" {
				t.Errorf("the value is %q, want the old one", got)
			}
		})
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestPutRefusedEarlyStopsReading(t *testing.T) {
	store := open(t, newMemory(nil))
	putString(t, store, "k", "old")
	endless := &counter{}
	_, err := store.Put(t.Context(), "k", endless, storage.PutOptions{If: storage.IfETag("no-such-version")})
	if !errors.Is(err, storage.ErrFailedPrecondition) {
		// A backend may decide only at the end; this one must decide or fill up.
		t.Errorf("got %v, want FailedPrecondition", err)
	}
}

// counter is a body without an end, until it has given more than anybody
// should read of a put that is refused.
type counter struct{ given int }

func (c *counter) Read(p []byte) (int, error) {
	if c.given += len(p); c.given > 256<<20 {
		return 0, errors.New("the refused put went on reading")
	}
	return len(p), nil
}

func TestLargeValuesStreamInBoundedMemory(t *testing.T) {
	const size = 64 << 20
	var stored int64
	var peak uint64
	measure := func() {
		runtime.GC() // what is left is in use
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	zeros := make([]byte, 1<<20)
	crc := uint32(0)
	for range size / len(zeros) {
		crc = storage.Checksum(crc, zeros)
	}
	store := open(t, &fakeStore{
		caps: storage.Capabilities{Consistency: storage.AllConsistencyLevels()},
		put: func(_ context.Context, key string, body io.Reader, _ storage.PutOptions) (storage.PutResult, error) {
			n, err := io.Copy(io.Discard, body)
			stored = n
			return storage.PutResult{Object: storage.Object{Key: key, Size: n}}, err
		},
		get: func(_ context.Context, key string, _ storage.GetOptions) (*storage.Reader, error) {
			obj := storage.Object{Key: key, Size: size, ETag: "e", CRC32C: crc}
			return storage.NewReader(obj, 0, size, io.NopCloser(zeroReader{})), nil
		},
	})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	body := readerFunc(func(p []byte) (int, error) {
		clear(p)
		return len(p), nil
	})
	seen := int64(0)
	if _, err := store.Put(t.Context(), "k", io.LimitReader(readerFunc(func(p []byte) (int, error) {
		if seen += int64(len(p)); seen%(4<<20) == 0 {
			measure()
		}
		return body(p)
	}), size), storage.PutOptions{}); err != nil || stored != size {
		t.Fatalf("put %d bytes: %v", stored, err)
	}
	r, err := store.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 1<<20)
	for got := 0; ; {
		n, err := r.Read(buf)
		got += n
		if errors.Is(err, io.EOF) {
			if got != size {
				t.Errorf("read %d bytes", got)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if got%(4<<20) < n {
			measure()
		}
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("streaming %d MiB took %d MiB of heap, want at most 16", size>>20, grown>>20)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
