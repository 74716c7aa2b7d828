package storage_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestRangeResolve(t *testing.T) {
	const bad, beyond = storage.CodeInvalidArgument, storage.CodeOutOfRange
	cases := []struct {
		r              storage.Range
		size           int64
		offset, length int64
		code           storage.Code
	}{
		{r: storage.Range{}, size: 10, length: 10},
		{r: storage.Range{}, size: 0},
		{r: storage.RangeOf(2, 3), size: 10, offset: 2, length: 3},
		{r: storage.RangeOf(8, 5), size: 10, offset: 8, length: 2},
		{r: storage.RangeOf(1, math.MaxInt64), size: 10, offset: 1, length: 9},
		{r: storage.RangeOf(0, 0), size: 10},
		{r: storage.RangeOf(10, 1), size: 10, offset: 10},
		{r: storage.RangeOf(11, 0), size: 10, code: beyond},
		{r: storage.RangeFrom(4), size: 10, offset: 4, length: 6},
		{r: storage.RangeFrom(0), size: 0},
		{r: storage.RangeFrom(1), size: 0, code: beyond},
		{r: storage.RangeFrom(math.MaxInt64), size: 10, code: beyond},
		{r: storage.RangeLast(3), size: 10, offset: 7, length: 3},
		{r: storage.RangeLast(30), size: 10, length: 10},
		{r: storage.RangeLast(0), size: 10, offset: 10},
		{r: storage.RangeLast(5), size: 0},
		{r: storage.RangeOf(-1, 5), size: 10, code: bad},
		{r: storage.RangeOf(0, -2), size: 10, code: bad},
		{r: storage.RangeLast(-1), size: 10, code: bad},
		{r: storage.Range{Offset: 1}, size: 10, code: bad},
		{r: storage.Range{Length: 1}, size: 10, code: bad},
		{r: storage.Range{Kind: storage.RangeSuffix, Offset: 1, Length: 1}, size: 10, code: bad},
		{r: storage.Range{Kind: 3}, size: 10, code: bad},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%+v of %d", c.r, c.size), func(t *testing.T) {
			offset, length, err := c.r.Resolve(c.size)
			if c.code != 0 {
				wantCode(t, err, c.code)
				return
			}
			if err != nil || offset != c.offset || length != c.length {
				t.Errorf("got %d+%d, %v; want %d+%d", offset, length, err, c.offset, c.length)
			}
		})
	}
}

func TestOnlyTheZeroRangeIsWhole(t *testing.T) {
	for r, want := range map[storage.Range]bool{{}: true, storage.RangeFrom(0): false, storage.RangeOf(0, 10): false, storage.RangeLast(10): false} {
		if r.IsWhole() != want {
			t.Errorf("%+v: whole is %v", r, !want)
		}
	}
}

func FuzzRangeResolve(f *testing.F) {
	f.Add(uint8(0), int64(0), int64(0), int64(10))
	f.Add(uint8(1), int64(3), int64(-1), int64(10))
	f.Add(uint8(1), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(uint8(2), int64(0), int64(5), int64(3))
	f.Fuzz(func(t *testing.T, kind uint8, offset, length, size int64) {
		if size < 0 {
			return
		}
		r := storage.Range{Kind: storage.RangeKind(kind), Offset: offset, Length: length}
		at, n, err := r.Resolve(size)
		if err != nil {
			invalid := r.Validate() != nil
			if code := storage.CodeOf(err); invalid != (code == storage.CodeInvalidArgument) || !invalid && code != storage.CodeOutOfRange {
				t.Fatalf("%+v of %d: %v", r, size, err)
			}
			if !invalid && (r.Kind != storage.RangeSpan || offset <= size) {
				t.Fatalf("%+v of %d can be read and is refused: %v", r, size, err)
			}
			return
		}
		if at < 0 || n < 0 || at > size || n > size-at {
			t.Fatalf("%+v of %d leaves the value: %d+%d", r, size, at, n)
		}
		switch r.Kind {
		case storage.RangeWhole:
			if at != 0 || n != size {
				t.Fatalf("the whole of %d is %d+%d", size, at, n)
			}
		case storage.RangeSpan:
			if at != offset || length >= 0 && n > length || n < size-at && n != length {
				t.Fatalf("%+v of %d is %d+%d", r, size, at, n)
			}
		case storage.RangeSuffix:
			if at+n != size || n > length || n < length && at != 0 {
				t.Fatalf("%+v of %d is %d+%d", r, size, at, n)
			}
		}
		// Resolving again what was resolved changes nothing.
		if again, m, err := storage.RangeOf(at, n).Resolve(size); err != nil || again != at || m != n {
			t.Fatalf("%d+%d of %d became %d+%d, %v", at, n, size, again, m, err)
		}
	})
}
