package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// upload is the body of a Put on its way. The transport reads it in a
// goroutine of its own, and may still do so when the host has answered; stop
// makes an end of that.
type upload struct {
	// size is exact; −1 if it is unknown.
	size int64
	// canceled is the Err of the Put's context. Once it is set no byte more is
	// sent, so that a Put that was canceled before the end of its body is not
	// whole for the host either.
	canceled func() error
	stopped  atomic.Bool

	// turn holds a token while the fields below are in use.
	turn    chan struct{}
	body    *storage.ChecksumReader
	touched bool
	whole   bool
	err     error
}

var errStopped = errors.New("the answer came before the end of the body")

func newUpload(ctx context.Context, body io.Reader) *upload {
	u := &upload{size: -1, canceled: ctx.Err, turn: make(chan struct{}, 1), body: storage.NewChecksumReader(body)}
	switch b := body.(type) {
	case *bytes.Reader:
		u.size = int64(b.Len())
	case *bytes.Buffer:
		u.size = int64(b.Len())
	case *strings.Reader:
		u.size = int64(b.Len())
	case nil:
		u.size = 0
	}
	u.whole = u.size == 0
	return u
}

func (u *upload) Read(p []byte) (int, error) {
	u.turn <- struct{}{}
	defer func() { <-u.turn }()
	if u.err != nil {
		return 0, u.err
	}
	if u.stopped.Load() {
		return 0, errStopped
	}
	u.touched = true
	n, err := u.body.Read(p)
	if canceled := u.canceled(); canceled != nil {
		u.err = canceled
		return 0, u.err
	}
	if err != nil && err != io.EOF { //nolint:errorlint // a wrapped io.EOF is no end
		u.err = err
		return n, err
	}
	u.whole = u.whole || err != nil || u.size >= 0 && u.body.Size >= u.size
	return n, err
}

// Close is the transport's; the body itself belongs to the caller of Put.
func (u *upload) Close() error { return nil }

// again lets the transport take another connection when the one it had turned
// out to be closed, as long as nothing was read.
func (u *upload) again() (io.ReadCloser, error) {
	u.turn <- struct{}{}
	defer func() { <-u.turn }()
	if u.touched {
		return nil, errors.New("the connection was lost while the body was sent")
	}
	return u, nil
}

// stop returns when the body is no longer read, and never will be.
func (u *upload) stop() {
	u.stopped.Store(true)
	u.turn <- struct{}{}
	<-u.turn
}

// readGrace is how long a read of the body that does not come back is waited
// for when the context is done.
const readGrace = time.Second

// roundTrip sends req with u as its body and returns when the body is no
// longer read. Nothing can end a read that outlasts ctx: it is given up after
// readGrace, and the goroutine that waits for it ends when it does.
func (u *upload) roundTrip(ctx context.Context, transport http.RoundTripper, req *http.Request) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	results, gone := make(chan result), make(chan struct{})
	go func() {
		var r result
		r.resp, r.err = transport.RoundTrip(req) //nolint:bodyclose // by who takes the result
		u.stop()
		select {
		case results <- r:
		case <-gone:
			if r.err == nil {
				_ = r.resp.Body.Close()
			}
		}
	}()
	select {
	case r := <-results:
		return r.resp, r.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(readGrace)
	defer grace.Stop()
	select {
	case r := <-results:
		return r.resp, r.err
	case <-grace.C:
		close(gone)
		return nil, ctx.Err()
	}
}

// progress is what the body had come to when it was stopped: whether all of
// it had been sent, and the error that ended it. Nothing is known while a read
// is still under way.
func (u *upload) progress() (whole bool, err error) {
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
		return u.whole, u.err
	default:
		return false, nil
	}
}
