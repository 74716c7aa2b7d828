package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// smallDisk mounts a file system of 48 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestFullDisk(t *testing.T) {
	for _, size := range []int{1000, 40_000, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(smallDisk(t), "store")
			s := openTestDisk(t, DiskOptions{Path: path})
			value := func(i int) []byte {
				v := make([]byte, size)
				for j := range v {
					v[j] = byte(i*31 + j*j>>3) // does not compress to nothing
				}
				return v
			}
			stored := 0
			var err error
			for ; stored < 100_000; stored++ {
				if _, err = s.Put(t.Context(), fmt.Sprint(stored), bytes.NewReader(value(stored)), storage.PutOptions{}); err != nil {
					break
				}
			}
			wantCode(t, err, storage.CodeQuotaExceeded)
			if stored*size < 4<<20 {
				t.Errorf("only %d values fit", stored)
			}
			_, err = s.Put(t.Context(), "0", bytes.NewReader(make([]byte, 12<<20)), storage.PutOptions{})
			wantCode(t, err, storage.CodeQuotaExceeded)
			for i := range stored {
				if !bytes.Equal(mustGet(t, s, fmt.Sprint(i)), value(i)) {
					t.Fatalf("value %d is different", i)
				}
			}
			for i := range stored {
				mustDelete(t, s, fmt.Sprint(i))
			}
			s.(testStore).inside.maintain(t.Context()) // as the sweeper does
			mustPut(t, s, "again", value(0))
		})
	}
}

func TestDiskFilledBySomebodyElse(t *testing.T) {
	disk := smallDisk(t)
	path := filepath.Join(disk, "store")
	s := openTestDisk(t, DiskOptions{Path: path})
	for i := range 200 {
		mustPut(t, s, fmt.Sprint(i), bytes.Repeat([]byte("x"), 1000))
	}
	junk := filepath.Join(disk, "junk")
	fill(t, junk)
	_, err := s.Put(t.Context(), "new", bytes.NewReader(nil), storage.PutOptions{})
	wantCode(t, err, storage.CodeQuotaExceeded)
	for i := range 200 { // needs the ballast, or room the log has reserved
		mustDelete(t, s, fmt.Sprint(i))
	}
	e, _ := engineOf(t, s).(*diskEngine)
	if err := e.index.db.Flush(); err != nil { // needs the ballast certainly
		t.Fatal(err)
	}
	if !e.space.spent.Load() {
		t.Error("the ballast was not spent on a disk without a free byte")
	}
	_, err = s.Put(t.Context(), "new", bytes.NewReader(nil), storage.PutOptions{})
	wantCode(t, err, storage.CodeQuotaExceeded)
	closeNow(t, s)

	s = openTestDisk(t, DiskOptions{Path: path})
	_, err = s.Put(t.Context(), "new", bytes.NewReader(nil), storage.PutOptions{})
	wantCode(t, err, storage.CodeQuotaExceeded)
	_, err = s.Stat(t.Context(), "7", storage.StatOptions{})
	wantCode(t, err, storage.CodeNotFound)

	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "new", nil)
	if info, err := os.Stat(filepath.Join(path, ballastName)); err != nil || info.Size() != ballastBytes {
		t.Errorf("the ballast is %v, %v", info, err)
	}
}

// fill writes a file until the disk has no byte left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				if !errors.Is(err, unix.ENOSPC) {
					t.Fatal(err)
				}
				break
			}
		}
	}
}
