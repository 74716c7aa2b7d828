package storagetest

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestContentIsTheSameHoweverItIsRead(t *testing.T) {
	c := content{seed: 7, size: 10_001}
	whole := c.bytes()
	if err := iotest.TestReader(c.reader(), whole); err != nil {
		t.Error(err)
	}
	for _, offset := range []int64{0, 1, 7, 8, 9, 4095, 10_000} {
		part := make([]byte, 10_001-offset)
		c.readAt(part, offset)
		if !bytes.Equal(part, whole[offset:]) {
			t.Errorf("the bytes from %d on are others", offset)
		}
		if err := c.compare(bytes.NewReader(whole[offset:]), offset, c.size-offset); err != nil {
			t.Errorf("from %d on: %v", offset, err)
		}
	}
	if bytes.Equal(whole[:100], content{seed: 8, size: 100}.bytes()) {
		t.Error("another seed gives the same bytes")
	}
}

func TestCompareNoticesEveryDifference(t *testing.T) {
	c := content{seed: 7, size: 100_000}
	whole := c.bytes()
	changed := bytes.Clone(whole)
	changed[99_999] ^= 1
	cases := []struct {
		name string
		r    io.Reader
		want string
	}{
		{"a changed byte", bytes.NewReader(changed), "at offset 99999"},
		{"too short", bytes.NewReader(whole[:99_999]), "got 99999 and then the end"},
		{"too long", bytes.NewReader(append(bytes.Clone(whole), 0)), "got more"},
		{"shifted", bytes.NewReader(whole[1:]), "at offset 0"},
		{"an error", io.MultiReader(bytes.NewReader(whole[:10]), iotest.ErrReader(io.ErrClosedPipe)), "after 10 of 100000 bytes: io: read/write on closed pipe"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if err := c.compare(tc.r, 0, c.size); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
