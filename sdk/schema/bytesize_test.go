package schema_test

import (
	"math"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func TestParseByteSize(t *testing.T) {
	tests := []struct {
		text string
		want schema.ByteSize
		bad  bool
	}{
		{text: "0", want: 0},
		{text: "17", want: 17},
		{text: "64MiB", want: 64 << 20},
		{text: "64 mib", want: 64 << 20},
		{text: "1.5GiB", want: 3 << 29},
		{text: "10kB", want: 10_000},
		{text: "9223372036854775807", want: math.MaxInt64},
		{text: "9223372036854775808", bad: true},
		{text: "8192PiB", bad: true},
		{text: "0.3B", bad: true},
		{text: "64M", bad: true},
		{text: "-1", bad: true},
		{text: "1/2KiB", bad: true},
		{text: "1e3", bad: true},
		{text: "", bad: true},
		{text: "MiB", bad: true},
		{text: "1.2.3", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := schema.ParseByteSize(tt.text)
			if (err != nil) != tt.bad || got != tt.want {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func FuzzByteSizeSurvivesItsText(f *testing.F) {
	for _, n := range []int64{0, 1, 1000, 1024, 1 << 40, math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			t.Skip()
		}
		text := schema.ByteSize(n).String()
		if got, err := schema.ParseByteSize(text); err != nil || int64(got) != n {
			t.Errorf("%d is written %s and read as %d, %v", n, text, got, err)
		}
	})
}
