package storage_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type closeRecorder struct {
	io.Reader
	closed *[]string
}

func (c closeRecorder) Close() error {
	*c.closed = append(*c.closed, "source")
	return nil
}

func TestReaderTellsItsLayersHowItEnded(t *testing.T) {
	value := []byte("value")
	object := storage.Object{Key: "k", Size: 5, CRC32C: storage.Checksum(0, value)}
	damaged := object
	damaged.CRC32C++
	cases := []struct {
		name   string
		object storage.Object
		use    func(r *storage.Reader)
		read   int64
		err    error
	}{
		{"read to the end", object, func(r *storage.Reader) { _, _ = io.ReadAll(r) }, 5, nil},
		{"closed early", object, func(r *storage.Reader) { _, _ = r.Read(make([]byte, 2)) }, 2, nil},
		{"closed unread", object, func(*storage.Reader) {}, 0, nil},
		{"damaged", damaged, func(r *storage.Reader) { _, _ = io.ReadAll(r) }, 5, storage.ErrDataLoss},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var order []string
			r := storage.NewReader(c.object, 0, 5, closeRecorder{bytes.NewReader(value), &order})
			for _, layer := range []string{"inner", "outer"} {
				r.OnClose(func(read int64, err error) {
					order = append(order, layer)
					if read != c.read || !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
						t.Errorf("%s layer was told %d bytes and %v, want %d and %v", layer, read, err, c.read, c.err)
					}
				})
			}
			c.use(r)
			for range 2 {
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if len(order) != 3 || order[0] != "source" || order[1] != "inner" || order[2] != "outer" {
				t.Errorf("closed in the order %q", order)
			}
		})
	}
}

func TestReaderReadsThroughItsWrap(t *testing.T) {
	value := []byte("value")
	var closed []string
	r := storage.NewReader(storage.Object{Key: "k", Size: 5, CRC32C: storage.Checksum(0, value)}, 0, 5,
		closeRecorder{bytes.NewReader(nil), &closed})
	r.Wrap(func(source io.ReadCloser) io.ReadCloser { return closeRecorder{bytes.NewReader(value), &closed} })
	got, err := r.Bytes()
	if err != nil || string(got) != "value" {
		t.Errorf("read %q, %v through the wrap", got, err)
	}
}
