package storagetest

import (
	"fmt"
	"io"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Bench measures Put and Get of 128 B, 4 KiB, 64 KiB and 1 MiB on one backend
// of the harness, as sub-benchmarks put/SIZE and get/SIZE. Puts go round 64
// keys; gets read one value to its end.
func Bench(b *testing.B, h Harness) {
	s := newSuite(h.Open(b), h.Options)
	p := newProbe(s, s.opts.Prefix)
	defer func() {
		p.cleanUp(b.Context())
		if err := s.backend.Close(b.Context()); err != nil {
			b.Errorf("close the backend: %v", err)
		}
	}()
	for _, size := range []int64{128, 4 << 10, 64 << 10, 1 << 20} {
		b.Run("put/"+sizeName(size), func(b *testing.B) { benchPut(b, p, size) })
		b.Run("get/"+sizeName(size), func(b *testing.B) { benchGet(b, p, size) })
	}
}

func sizeName(size int64) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%dMiB", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%dKiB", size>>10)
	default:
		return fmt.Sprintf("%dB", size)
	}
}

func benchPut(b *testing.B, p *probe, size int64) {
	value := content{seed: 1, size: size}
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = p.key(fmt.Sprintf("put-%d-%d", size, i))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := p.store.Put(b.Context(), keys[i%len(keys)], value.reader(), storage.PutOptions{SizeHint: size}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func benchGet(b *testing.B, p *probe, size int64) {
	key := p.key(fmt.Sprintf("get-%d", size))
	value := content{seed: 2, size: size}
	if _, err := p.store.Put(b.Context(), key, value.reader(), storage.PutOptions{SizeHint: size}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.store.Get(b.Context(), key, storage.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil || n != size {
			b.Fatalf("read %d of %d bytes: %v", n, size, err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
