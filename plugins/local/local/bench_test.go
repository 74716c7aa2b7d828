package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// BenchmarkStore measures puts and gets of one caller and of 16. Run it with
// a TMPDIR on the disk that is meant; a tmpfs has nothing to sync.
func BenchmarkStore(b *testing.B) {
	for _, size := range []int{128, 4 << 10, 64 << 10, 1 << 20} {
		for _, callers := range []int{1, 16} {
			name := fmt.Sprintf("size=%d/callers=%d", size, callers)
			b.Run("memory/"+name, func(b *testing.B) {
				benchmarkStore(b, openTestMemory(b, MemoryOptions{}), size, callers)
			})
			b.Run("disk/"+name, func(b *testing.B) {
				benchmarkStore(b, openTestDisk(b, DiskOptions{Path: b.TempDir()}), size, callers)
			})
		}
	}
}

// BenchmarkPlacement compares a value in the index with one in a file, to
// choose DefaultInlineLimit.
func BenchmarkPlacement(b *testing.B) {
	for _, size := range []int{4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10} {
		for name, limit := range map[string]int64{"index": MaxInlineLimit, "file": 1} {
			b.Run(fmt.Sprintf("size=%d/%s", size, name), func(b *testing.B) {
				benchmarkStore(b, openTestDisk(b, DiskOptions{Path: b.TempDir(), InlineLimit: limit}), size, 16)
			})
		}
	}
}

func benchmarkStore(b *testing.B, s storage.Store, size, callers int) {
	value := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	run := func(name string, op func(ctx context.Context, key string) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(max(1, callers/2))
			var next atomic.Uint64
			one := func() {
				if err := op(b.Context(), fmt.Sprintf("key/%d", next.Add(1)%512)); err != nil {
					b.Error(err)
				}
			}
			if callers == 1 {
				for b.Loop() {
					one()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					one()
				}
			})
		})
	}
	put := func(ctx context.Context, key string) error {
		_, err := s.Put(ctx, key, bytes.NewReader(value), storage.PutOptions{SizeHint: int64(size)})
		return err
	}
	for i := range 512 {
		if err := put(b.Context(), fmt.Sprintf("key/%d", i)); err != nil {
			b.Fatal(err)
		}
	}
	run("put", put)
	run("get", func(ctx context.Context, key string) error {
		r, err := s.Get(ctx, key, storage.GetOptions{})
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	})
}
