package supabase

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// openObject opens length bytes of an object for reading. The reader goes on
// where it was when the connection breaks or stands still.
func (b *backend) openObject(ctx context.Context, object string, offset, length int64) (io.ReadCloser, error) {
	if b.bucket == nil {
		return nil, storage.Errorf(storage.CodeUnavailable, "the value is in a bucket, and the configuration names none; add the bucket this backend was used with")
	}
	if length == 0 {
		return http.NoBody, nil
	}
	d := &download{backend: b, object: object, at: offset, left: length}
	d.ctx, d.cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(b.life, d.cancel)
	d.stop = func() { stop(); d.cancel() }
	if err := d.connect(); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// download reads an object and resumes.
type download struct {
	backend *backend
	object  string
	ctx     context.Context //nolint:containedctx // that of the Get, which governs the reading too
	cancel  context.CancelFunc
	stop    func()

	at, left int64
	body     io.ReadCloser
	end      context.CancelFunc // of the connection
	watchdog *time.Timer
	failures int // since the last byte
	last     *failure
}

// connect asks for what is left, and again while that may help.
func (d *download) connect() error {
	for {
		ctx, cancel := context.WithCancel(d.ctx)
		watchdog := time.AfterFunc(d.backend.config.Timeout, cancel)
		resp, f := d.backend.bucket.open(ctx, d.object, d.at, d.left) //nolint:bodyclose // disconnect does
		if f == nil {
			watchdog.Stop()
			d.body, d.end, d.watchdog = resp.Body, cancel, watchdog
			return nil
		}
		watchdog.Stop()
		cancel()
		if f.status == http.StatusNotFound {
			return errObjectGone
		}
		if ctx.Err() != nil && d.ctx.Err() == nil { // the watchdog's doing
			f = &failure{code: storage.CodeUnavailable, retry: true, text: "no answer from the project", cause: errNoAnswer}
		}
		if err := d.again(f); err != nil {
			return err
		}
	}
}

// again waits before the next attempt, or says why there is none.
func (d *download) again(f *failure) error {
	d.last = f
	if d.ctx.Err() != nil {
		return d.ended()
	}
	if !f.retry || d.failures >= d.backend.config.MaxRetries || f.after > maxRetryAfter {
		return f.err(false)
	}
	wait := max(f.after, backoff(minBackoff, maxBackoff, d.failures, nil))
	if deadline, ok := d.ctx.Deadline(); ok && time.Until(deadline) < wait {
		return f.err(false)
	}
	d.failures++
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-d.ctx.Done():
		return d.ended()
	}
}

func (d *download) ended() error {
	if d.backend.life.Err() != nil {
		return errClosed()
	}
	return storage.AsError(d.ctx.Err())
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.left == 0 {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		d.watchdog.Reset(d.backend.config.Timeout)
		n, err := d.body.Read(p[:min(int64(len(p)), d.left)])
		d.watchdog.Stop()
		if n > 0 {
			d.at += int64(n)
			d.left -= int64(n)
			d.failures = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		d.disconnect()
		f := &failure{code: storage.CodeUnavailable, retry: true, text: "the value broke off", cause: err}
		if err := d.again(f); err != nil {
			return 0, err
		}
		if err := d.connect(); err != nil {
			if errors.Is(err, errObjectGone) {
				return 0, storage.Errorf(storage.CodeUnavailable, "the value was replaced while it was read; read it again")
			}
			return 0, err
		}
	}
}

func (d *download) disconnect() {
	if d.body != nil {
		d.watchdog.Stop()
		d.end()
		_ = d.body.Close()
		d.body = nil
	}
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.disconnect()
	d.stop()
	return nil
}
