package storage

import (
	"bytes"
	"io"
)

// Reader reads a value, or the selected part of it. It gives exactly Length
// bytes and then io.EOF, or an error; a body that ends early is DataLoss, never
// io.EOF. Where the whole value is read, its CRC-32C is checked before the last
// bytes are handed out; a mismatch is DataLoss.
//
// A Reader is used by one goroutine at a time and must be closed.
type Reader struct {
	// Object is the object the value belongs to.
	Object Object
	// Offset is the position in the value of the first byte to be read, and
	// Length how many bytes the Reader gives in all.
	Offset, Length int64

	body   io.ReadCloser
	memory bool
	left   int64
	crc    uint32
	err    error
	// first and then more were registered by OnClose: most have one, or none.
	first func(read int64, err error)
	more  []func(read int64, err error)
}

// NewReader returns a Reader over body, which must give the length bytes of
// obj's value from offset on; what it gives beyond them is not read. The Reader
// owns body and closes it.
func NewReader(obj Object, offset, length int64, body io.ReadCloser) *Reader {
	return &Reader{Object: obj, Offset: offset, Length: length, body: body, left: length}
}

// NewBytesReader returns a Reader of the range r of a value held in memory. An
// unsatisfiable range is OutOfRange. The value must not change while it is
// read.
func NewBytesReader(obj Object, r Range, value []byte) (*Reader, error) {
	offset, length, err := r.Resolve(int64(len(value)))
	if err != nil {
		return nil, err
	}
	held := &heldReader{Reader: Reader{Object: obj, Offset: offset, Length: length, left: length, memory: true}}
	held.bytes.Reset(value[offset : offset+length])
	held.body = &held.bytes
	return &held.Reader, nil
}

// heldReader is a Reader and its body in one piece of memory.
type heldReader struct {
	Reader
	bytes heldBytes
}

type heldBytes struct{ bytes.Reader }

func (*heldBytes) Close() error { return nil }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.body == nil {
		r.err = Errorf(CodeInvalidArgument, "read after close")
		return 0, r.err
	}
	if r.left == 0 {
		r.err = r.finish()
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.body.Read(p)
	r.left -= int64(n)
	if r.whole() {
		r.crc = Checksum(r.crc, p[:n])
	}
	if r.left == 0 {
		if end := r.finish(); end != io.EOF { //nolint:errorlint // finish returns io.EOF itself
			r.err = end
			return 0, end
		}
		return n, nil
	}
	switch err {
	case nil:
	case io.EOF:
		r.err = Annotate(Errorf(CodeDataLoss, "the value ended after %d of %d bytes", r.Length-r.left, r.Length), "get", r.Object.Key)
		return 0, r.err
	default:
		r.err = Annotate(err, "get", r.Object.Key)
	}
	return n, r.err
}

func (r *Reader) whole() bool { return r.Offset == 0 && r.Length == r.Object.Size }

func (r *Reader) finish() error {
	if r.whole() && r.crc != r.Object.CRC32C {
		return Annotate(Errorf(CodeDataLoss, "checksum mismatch: the object says %08x, its bytes give %08x", r.Object.CRC32C, r.crc), "get", r.Object.Key)
	}
	return io.EOF
}

// Close releases the resources behind the Reader. Closing before the end is
// allowed and closing twice harmless.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	read, failure := r.Length-r.left, r.err
	if failure == io.EOF { //nolint:errorlint // Read keeps io.EOF itself
		failure = nil
	}
	err := body.Close()
	if r.first != nil {
		r.first(read, failure)
	}
	for _, f := range r.more {
		f(read, failure)
	}
	return err
}

// Wrap puts wrap around the source of r, beneath the accounting and the
// checksum, which are done once however many layers there are. It is for
// layers that guard or repair a stream: what wrap returns must give the same
// bytes, and closing it must close what it was given. Call it before the first
// Read.
func (r *Reader) Wrap(wrap func(io.ReadCloser) io.ReadCloser) {
	r.body = wrap(r.body)
	r.memory = false
}

// InMemory reports whether the bytes are at hand in the memory of this process:
// reading them neither waits nor fails, unless their checksum is wrong, and needs
// the context of the Get no more. A wrapped Reader says no.
func (r *Reader) InMemory() bool { return r.memory }

// OnClose has f called once, after Close closed the source, with the number of
// bytes read and the error that ended the reading: nil if it reached the end
// or was closed before. Functions are called in the order of registration, so
// inner layers before outer ones. Call it before the first Read.
func (r *Reader) OnClose(f func(read int64, err error)) {
	if r.first == nil {
		r.first = f
		return
	}
	r.more = append(r.more, f)
}

// Bytes reads the rest and closes the Reader. The caller owns the result. It
// suits values known to be small: all of the rest is held in memory.
func (r *Reader) Bytes() ([]byte, error) {
	defer r.Close()
	buf := make([]byte, r.left)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, r.err
	}
	if len(buf) == 0 { // an empty value has a checksum too
		if _, err := r.Read(nil); err != io.EOF { //nolint:errorlint // Read returns io.EOF itself
			return nil, err
		}
	}
	return buf, nil
}
