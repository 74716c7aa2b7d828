package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestOwesDoesNotAllocate(t *testing.T) {
	b := newBench(t, Options{})
	b.miss("k", 1, "a")
	i := b.begin("k", 2, "a")
	i.Acknowledged()
	if n := testing.AllocsPerRun(100, func() {
		b.l.Owes("a", "k")
		b.l.Owes("a", "none")
		b.l.Owes("none", "k")
		b.l.Dirty("a")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkIntent begins, waits for and ends writes to three targets of which
// one misses them, beside appends to a file with a sync each.
func BenchmarkIntent(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("journal/callers=%d", callers), func(b *testing.B) {
			j, err := Open(filepath.Join(b.TempDir(), "journal"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			l := j.Log("safe")
			each(b, callers, func(n uint64) error {
				key := "models/llama/" + strconv.FormatUint(n%100_000, 10)
				i := l.Begin(key, n, "p", "backend.a", "backend.b", "backend.c")
				i.Done("backend.a")
				i.Done("backend.b")
				if err := i.Wait(b.Context()); err != nil {
					return err
				}
				i.Acknowledged()
				i.Missed("backend.c")
				return nil
			})
		})
	}
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("append/callers=%d", callers), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			record := make([]byte, 64)
			var mu sync.Mutex
			each(b, callers, func(uint64) error {
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.Write(record); err != nil {
					return err
				}
				return f.Sync()
			})
		})
	}
}

// each does do b.N times from many goroutines.
func each(b *testing.B, callers int, do func(n uint64) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Uint64
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) { //nolint:gosec // positive
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkOwes(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "journal"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	l := j.Log("safe")
	for n := range 100_000 {
		i := l.Begin(strconv.Itoa(n), 1, "", "a")
		i.Acknowledged()
		i.Missed("a")
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Owes("a", "5000")
		}
	})
}
