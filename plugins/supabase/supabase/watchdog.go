package supabase

import (
	"context"
	"errors"
	"io"
	"time"
)

// errNoAnswer is why a watchdog ended a request.
var errNoAnswer = errors.New("nothing moved for longer than the configured timeout")

// watchdog ends a request in which nothing moves.
type watchdog struct {
	ctx     context.Context //nolint:containedctx // of the request
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	timeout time.Duration
}

// guard returns a context for a request, and who ends it. end must be called.
func guard(ctx context.Context, timeout time.Duration) (context.Context, *watchdog) {
	d := &watchdog{timeout: timeout}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	d.timer = time.AfterFunc(timeout, func() { d.cancel(errNoAnswer) })
	return d.ctx, d
}

// rest has it wait until something is read again.
func (d *watchdog) rest() { d.timer.Stop() }

func (d *watchdog) end() {
	d.timer.Stop()
	d.cancel(nil)
}

// blame returns errNoAnswer for the error of a request that the watchdog ended.
func (d *watchdog) blame(err error) error {
	if context.Cause(d.ctx) == errNoAnswer { //nolint:errorlint // it is not wrapped
		return errNoAnswer
	}
	return err
}

// watched is a body that moves when it is read.
func (d *watchdog) watched(body io.ReadCloser) io.ReadCloser { return &watchedBody{body, d} }

type watchedBody struct {
	io.ReadCloser
	dog *watchdog
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.dog.timer.Reset(b.dog.timeout)
	return b.ReadCloser.Read(p)
}
