package local

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func testRecords() []*record {
	id := newVersionSource().next()
	now := time.Unix(1_700_000_000, 123).UTC()
	full := storage.Object{
		Key: "a/ü", Size: 1 << 40, ETag: id.String(), ContentType: "text/plain", ModTime: now, ExpiresAt: now.Add(time.Hour), CRC32C: 0xdeadbeef,
		Metadata: map[string]string{"a": "1", "b": "", "stowage-x": strings.Repeat("v", 3000)},
	}
	return []*record{
		{object: storage.Object{Key: "k", ETag: id.String(), ModTime: now}, id: id, place: inIndex},
		{object: full, id: id, position: 1<<64 - 1, place: inFile},
	}
}

func TestRecordsComeBack(t *testing.T) {
	for _, r := range testRecords() {
		got, err := decodeRecord(r.object.Key, appendRecord(nil, r))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.object, got.object); diff != "" || got.id != r.id || got.position != r.position || got.place != r.place {
			t.Errorf("a record came back different:\n%s", diff)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range testRecords() {
		f.Add(appendRecord(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord("k", b)
		if err != nil {
			return
		}
		again, err := decodeRecord("k", appendRecord(nil, r))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.object, again.object); diff != "" {
			t.Errorf("the second decoding differs:\n%s", diff)
		}
	})
}

func FuzzDecodeLogEntry(f *testing.F) {
	f.Add(appendLogEntry(nil, &logEntry{kind: storage.EventPut, key: "k", etag: "e"}))
	f.Add(appendLogEntry(nil, &logEntry{kind: storage.EventDelete, key: "k"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeLogEntry(1, b)
		if err != nil {
			return
		}
		encoded := appendLogEntry(nil, &e)
		if again, err := decodeLogEntry(1, encoded); err != nil || again != e {
			t.Errorf("%x comes back as %x, %v", b, encoded, err)
		}
	})
}

func TestFormatFile(t *testing.T) {
	tests := []struct {
		name, text string
		version    int
		origin     uint64
		good       bool
	}{
		{"ours", "stowage local store\nformat 1\norigin 00000000000000ff\n", 1, 255, true},
		{"newer", "stowage local store\nformat 2\nsomething else\n", 2, 0, true},
		{"empty", "", 0, 0, false},
		{"other text", "hello", 0, 0, false},
		{"no origin", "stowage local store\nformat 1\n", 0, 0, false},
		{"short origin", "stowage local store\nformat 1\norigin ff\n", 0, 0, false},
		{"zeros", string(bytes.Repeat([]byte{0}, 60)), 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			version, origin, err := parseFormat(tt.text)
			if (err == nil) != tt.good || tt.good && (version != tt.version || origin != tt.origin) {
				t.Errorf("got %d, %x, %v", version, origin, err)
			}
		})
	}
}
