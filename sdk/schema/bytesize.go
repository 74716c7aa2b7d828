package schema

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. A struct field of this type reads
// `"64MiB"` as well as a bare number.
type ByteSize int64

// byteUnits lists the units from the largest, so that String finds the
// largest one that divides a size.
var byteUnits = [...]struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50},
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"PB", 1e15},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// maxByteSizeText bounds the text of a size, far above any sensible one.
const maxByteSizeText = 64

const maxByteSize = math.MaxInt64

// ParseByteSize reads a size: a number with one of the units B, kB, MB, GB,
// TB, PB (powers of 1000) or KiB, MiB, GiB, TiB, PiB (powers of 1024),
// whatever their case, with or without a space between. Without a unit it is
// a number of bytes. A fraction is accepted if it comes out as whole bytes;
// negative sizes and those over 2^63-1 are not.
func ParseByteSize(s string) (ByteSize, error) {
	text := strings.TrimSpace(s)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := byteUnit(text[len(digits):])
	if !ok {
		return 0, fmt.Errorf("unknown unit %q: use B, KiB, MiB, GiB or TiB (or kB, MB, GB, TB)", text[len(digits):])
	}
	digits = strings.TrimSpace(digits)
	if digits == "" || len(digits) > maxByteSizeText || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf(`not a size: write a number and a unit, such as "64MiB"`)
	}
	n, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, fmt.Errorf(`not a size: write a number and a unit, such as "64MiB"`)
	}
	n.Mul(n, new(big.Rat).SetInt64(unit))
	if !n.IsInt() {
		return 0, fmt.Errorf("not a whole number of bytes")
	}
	if !n.Num().IsInt64() {
		return 0, fmt.Errorf("more than the largest size, %d bytes", int64(maxByteSize))
	}
	return ByteSize(n.Num().Int64()), nil
}

func byteUnit(name string) (int64, bool) {
	if name == "" {
		return 1, true
	}
	for _, u := range byteUnits {
		if strings.EqualFold(name, u.name) {
			return u.bytes, true
		}
	}
	return 0, false
}

// String returns the size in the largest unit that gives a whole number,
// such as "64MiB"; ParseByteSize reads it back to the same size.
func (b ByteSize) String() string {
	if b == 0 {
		return "0B"
	}
	for _, u := range byteUnits {
		if int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
