package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// requestBody reads the body of a request: it ends in an error when the body
// stalls, breaks off or grows past the limit, and in io.EOF only when it is
// whole. Only the time spent waiting for the caller counts.
type requestBody struct {
	body    io.Reader
	control *http.ResponseController
	// window is the time for the next bufferSize bytes, of which left remains
	// and moved have come.
	window, left time.Duration
	moved        int
	limit, size  int64
	err          error
	// status says what to answer if err was the body's own fault.
	status int
}

func newRequestBody(r *http.Request, control *http.ResponseController, opts Options) *requestBody {
	return &requestBody{
		body: r.Body, control: control,
		window: opts.BodyTimeout, left: opts.BodyTimeout, limit: opts.MaxObjectSize,
	}
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	start := time.Now()
	_ = b.control.SetReadDeadline(start.Add(b.left))
	n, err := b.body.Read(p)
	b.left -= time.Since(start)
	if b.moved += n; b.moved >= bufferSize {
		b.moved, b.left = 0, b.window
	}
	if b.size += int64(n); b.limit > 0 && b.size > b.limit {
		b.status, b.err = http.StatusRequestEntityTooLarge, overLimit(b.limit)
		return 0, b.err
	}
	if err != nil {
		b.err = b.judge(err)
		b.noDeadline()
	}
	return n, b.err
}

// judge gives the error of the connection the words of the contract: it is the
// caller who gave up, and no backend's fault.
func (b *requestBody) judge(err error) error {
	switch {
	case err == io.EOF: //nolint:errorlint // a wrapped io.EOF is no end
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.status = http.StatusRequestTimeout
		return storage.Errorf(storage.CodeCanceled, "the request body stalled for %v", b.window)
	default:
		b.status = http.StatusBadRequest
		return storage.Errorf(storage.CodeCanceled, "the request body broke off after %d bytes: %w", b.size, err)
	}
}

// noDeadline lets the connection be watched for as long as the store takes.
func (b *requestBody) noDeadline() { _ = b.control.SetReadDeadline(time.Time{}) }

func (b *requestBody) ended() bool { return b.err == io.EOF } //nolint:errorlint // set by judge

// discard reads a body that means nothing, and reports whether it was short
// enough. b may be nil.
func (b *requestBody) discard() bool {
	if b == nil {
		return true
	}
	_, err := io.CopyN(io.Discard, b, bufferSize)
	return err == io.EOF || err == nil && b.ended() //nolint:errorlint // set by judge
}

func overLimit(limit int64) error {
	return storage.Errorf(storage.CodeTooLarge, "the value is larger than the %d bytes this host takes", limit)
}
