package supabasetest

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// lostAnswer is a ResponseWriter for nobody.
type lostAnswer struct{ header http.Header }

func (l *lostAnswer) Header() http.Header {
	if l.header == nil {
		l.header = http.Header{}
	}
	return l.header
}

func (l *lostAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (l *lostAnswer) WriteHeader(int)             {}

// errCut is what a handler sees of a client that broke off.
var errCut = errors.New("supabasetest: cut on purpose")

// cutBody ends a request's body with an error after some bytes.
type cutBody struct {
	inner io.ReadCloser
	left  int64
	cut   func()
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.cut()
		return 0, errCut
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.inner.Read(p)
	b.left -= int64(n)
	return n, err
}

func (b *cutBody) Close() error { return b.inner.Close() }

// cutAnswer passes on the first bytes of an answer.
type cutAnswer struct {
	inner http.ResponseWriter
	left  int64
}

func (c *cutAnswer) Header() http.Header    { return c.inner.Header() }
func (c *cutAnswer) WriteHeader(status int) { c.inner.WriteHeader(status) }

// Unwrap is for http.ResponseController.
func (c *cutAnswer) Unwrap() http.ResponseWriter { return c.inner }

func (c *cutAnswer) Write(p []byte) (int, error) {
	passed := p[:min(int64(len(p)), c.left)]
	c.left -= int64(len(passed))
	if _, err := c.inner.Write(passed); err != nil {
		return 0, err
	}
	if len(passed) < len(p) && c.left <= 0 {
		return len(passed), errCut
	}
	return len(p), nil
}

// cutAfterFlush ends a connection so that the client gets all that was written
// before.
func cutAfterFlush(w http.ResponseWriter, conn *connection) {
	// It fails if the client is gone.
	_ = http.NewResponseController(w).Flush()
	conn.Close()
}

// spool takes a whole body in and keeps it in a file without a name.
func spool(body io.Reader) (io.ReadCloser, error) {
	file, err := os.CreateTemp("", "supabasetest-spool-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := io.Copy(file, body); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
