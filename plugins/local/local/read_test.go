package local

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestReadersKeepTheirVersion(t *testing.T) {
	afterwards := []struct {
		name string
		do   func(t *testing.T, s storage.Store)
	}{
		{"overwritten", func(t *testing.T, s storage.Store) { mustPut(t, s, "k", []byte("new")) }},
		{"deleted", func(t *testing.T, s storage.Store) { mustDelete(t, s, "k") }},
		{"closed", func(t *testing.T, s storage.Store) { closeNow(t, s) }},
	}
	onBoth(t, bounds{}, func(t *testing.T, _ storage.Store) {
		for _, size := range []int{10, 40_000, 500_000} {
			for _, after := range afterwards {
				s := openTestMemory(t, MemoryOptions{})
				if t.Name() == "TestReadersKeepTheirVersion/disk" {
					s = openTestDisk(t, DiskOptions{Path: t.TempDir()})
				}
				old := bytes.Repeat([]byte("o"), size)
				mustPut(t, s, "k", old)
				r, err := s.Get(t.Context(), "k", storage.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				after.do(t, s)
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, old) {
					t.Errorf("size %d, %s while being read: %d bytes, %v", size, after.name, len(got), err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestContextEndsTheRead(t *testing.T) {
	onBoth(t, bounds{}, func(t *testing.T, s storage.Store) {
		for _, size := range []int{10, 500_000} {
			mustPut(t, s, "k", make([]byte, size))
			ctx, cancel := context.WithCancel(t.Context())
			r, err := s.Get(ctx, "k", storage.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			if _, err = io.ReadAll(r); !r.InMemory() { // which needs the context no more
				wantCode(t, err, storage.CodeCanceled)
			} else if err != nil || size > 10 {
				t.Errorf("%d bytes in memory: %v", size, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDamagedFilesAreDataLoss(t *testing.T) {
	damages := []struct {
		name string
		do   func(path string) error
	}{
		{"missing", os.Remove},
		{"cut short", func(path string) error { return os.Truncate(path, 70_000) }},
		{"altered", func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // a file of the test
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("!"), 99_999)
			return err
		}},
	}
	for _, damage := range damages {
		t.Run(damage.name, func(t *testing.T) {
			s, err := openDisk(t.Context(), DiskOptions{Path: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer closeNow(t, s)
			o := mustPut(t, s, "k", make([]byte, 100_000))
			e, _ := s.engine.(*diskEngine)
			id, _ := parseVersionID(o.ETag)
			if err := damage.do(e.files.file(id)); err != nil {
				t.Fatal(err)
			}
			r, err := s.Get(t.Context(), "k", storage.GetOptions{})
			if err == nil {
				_, err = r.Bytes()
			}
			wantCode(t, err, storage.CodeDataLoss)
			_, err = s.Copy(t.Context(), "k", "copy", storage.CopyOptions{})
			if damage.name == "missing" {
				wantCode(t, err, storage.CodeDataLoss)
			}
			mustPut(t, s, "k", []byte("repaired"))
		})
	}
}

func TestLargeValuesAreStreamedOnDisk(t *testing.T) {
	const size = 256 << 20
	s := openTestDisk(t, DiskOptions{Path: t.TempDir()})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.Put(t.Context(), "k", io.LimitReader(zeros{}, size), storage.PutOptions{SizeHint: size}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes were allocated for a value of %d", n, size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
