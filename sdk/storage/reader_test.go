package storage_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func objectOf(value string) storage.Object {
	return storage.Object{Key: "k", Size: int64(len(value)), CRC32C: storage.Checksum(0, []byte(value)), ETag: "v1"}
}

func readerOf(obj storage.Object, offset, length int64, body io.Reader) *storage.Reader {
	return storage.NewReader(obj, offset, length, io.NopCloser(body))
}

func TestReaderGivesTheValueHoweverItComes(t *testing.T) {
	value := string(bytes.Repeat([]byte("0123456789"), 1000))
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		"in halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			if err := iotest.TestReader(readerOf(objectOf(value), 0, int64(len(value)), wrap(bytes.NewReader([]byte(value)))), []byte(value)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReaderNeverGivesMoreThanItsLength(t *testing.T) {
	r := readerOf(objectOf("0123456789"), 2, 3, bytes.NewReader([]byte("23456789")))
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "234" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestReaderCallsAShortBodyDataLoss(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"the end after the data": func(r io.Reader) io.Reader { return r }, "the end with the data": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			r := readerOf(objectOf("0123456789"), 0, 10, wrap(bytes.NewReader([]byte("01234"))))
			_, err := io.ReadAll(r)
			wantCode(t, err, storage.CodeDataLoss)
			if e := storage.AsError(err); e.Key != "k" || e.Op != "get" {
				t.Errorf("the error is %+v", e)
			}
			_, again := r.Read(make([]byte, 1))
			wantCode(t, again, storage.CodeDataLoss)
		})
	}
}

func TestReaderWithholdsTheEndOfADamagedValue(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			r := readerOf(objectOf("0123456789"), 0, 10, wrap(bytes.NewReader([]byte("0123X56789"))))
			got, err := io.ReadAll(r)
			wantCode(t, err, storage.CodeDataLoss)
			if len(got) >= 10 {
				t.Errorf("all %d bytes of a damaged value were given", len(got))
			}
			if n, err := r.Read(make([]byte, 10)); n != 0 || errors.Is(err, io.EOF) {
				t.Errorf("then %d bytes and %v", n, err)
			}
		})
	}
}

func TestReaderChecksAnEmptyValueToo(t *testing.T) {
	damaged := objectOf("")
	damaged.CRC32C = 1
	_, err := io.ReadAll(readerOf(damaged, 0, 0, bytes.NewReader(nil)))
	wantCode(t, err, storage.CodeDataLoss)
	_, err = readerOf(damaged, 0, 0, bytes.NewReader(nil)).Bytes()
	wantCode(t, err, storage.CodeDataLoss)
	if got, err := readerOf(objectOf(""), 0, 0, bytes.NewReader(nil)).Bytes(); err != nil || len(got) != 0 {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestReaderDoesNotCheckAPart(t *testing.T) {
	damaged := objectOf("0123456789")
	damaged.CRC32C++
	got, err := io.ReadAll(readerOf(damaged, 1, 9, bytes.NewReader([]byte("123456789"))))
	if err != nil || string(got) != "123456789" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	cause := storage.Errorf(storage.CodeUnavailable, "gone")
	r := readerOf(objectOf("0123456789"), 0, 10, io.MultiReader(bytes.NewReader([]byte("012")), iotest.ErrReader(cause)))
	got, err := io.ReadAll(r)
	wantCode(t, err, storage.CodeUnavailable)
	if string(got) != "012" || !storage.AsError(err).Temporary {
		t.Errorf("read %q, %+v", got, storage.AsError(err))
	}
	_, err = io.ReadAll(readerOf(objectOf("0123456789"), 0, 10, iotest.ErrReader(io.ErrClosedPipe)))
	if wantCode(t, err, storage.CodeInternal); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestReaderBytes(t *testing.T) {
	var closed []string
	value := "0123456789"
	r := storage.NewReader(objectOf(value), 0, 10, closeRecorder{bytes.NewReader([]byte(value)), &closed})
	if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	got, err := r.Bytes()
	if err != nil || string(got) != "456789" {
		t.Errorf("the rest is %q, %v", got, err)
	}
	if len(closed) != 1 {
		t.Errorf("closed %d times", len(closed))
	}

	damaged := objectOf(value)
	damaged.CRC32C++
	got, err = readerOf(damaged, 0, 10, bytes.NewReader([]byte(value))).Bytes()
	if wantCode(t, err, storage.CodeDataLoss); got != nil {
		t.Errorf("a damaged value was given: %q", got)
	}
	_, err = readerOf(objectOf(value), 0, 10, bytes.NewReader([]byte("012"))).Bytes()
	wantCode(t, err, storage.CodeDataLoss)
}

func TestReaderAfterClose(t *testing.T) {
	r := readerOf(objectOf("value"), 0, 5, bytes.NewReader([]byte("value")))
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	n, err := r.Read(make([]byte, 5))
	if wantCode(t, err, storage.CodeInvalidArgument); n != 0 {
		t.Errorf("read %d bytes", n)
	}
	_, err = r.Bytes()
	wantCode(t, err, storage.CodeInvalidArgument)

	r = readerOf(objectOf("value"), 0, 5, bytes.NewReader([]byte("value")))
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a reader that had ended gives %v after its close", err)
	}
}

func TestNewBytesReader(t *testing.T) {
	value := []byte("0123456789")
	obj := objectOf("0123456789")
	r, err := storage.NewBytesReader(obj, storage.RangeOf(8, 5), value)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Bytes(); err != nil || string(got) != "89" || r.Offset != 8 || r.Length != 2 {
		t.Errorf("read %q, %v from %d+%d", got, err, r.Offset, r.Length)
	}
	_, err = storage.NewBytesReader(obj, storage.RangeFrom(11), value)
	wantCode(t, err, storage.CodeOutOfRange)
}

func TestChecksumReader(t *testing.T) {
	c := storage.NewChecksumReader(iotest.OneByteReader(bytes.NewReader([]byte("123456789"))))
	if _, err := io.Copy(io.Discard, c); err != nil || c.Size != 9 || c.CRC32C != 0xe3069283 {
		t.Errorf("size %d, CRC-32C %08x, %v", c.Size, c.CRC32C, err)
	}
	if storage.Checksum(storage.Checksum(0, []byte("1234")), []byte("56789")) != 0xe3069283 {
		t.Error("a checksum cannot be continued")
	}
}
