package supabase

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// openObject opens the part of an object that r selects. The reader goes on
// where it was when the connection breaks or stands still.
func (b *backend) openObject(ctx context.Context, r *readResult) (io.ReadCloser, error) {
	if r.Length == 0 {
		return http.NoBody, nil
	}
	if err := b.downloads.Acquire(ctx, 1); err != nil {
		return nil, cause(ctx)
	}
	d := &download{backend: b, object: r.Object, size: r.Size, at: r.Offset, to: r.Offset + r.Length}
	var cancel context.CancelCauseFunc
	d.ctx, cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.gate.life, func() { cancel(errClosed()) })
	d.release = func() {
		stop()
		cancel(nil)
		b.downloads.Release(1)
	}
	if err := d.connect(); err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

// download reads an object and resumes.
type download struct {
	backend *backend
	object  string
	size    int64
	ctx     context.Context //nolint:containedctx // that of the Get, which governs the reading too
	release func()

	at, to   int64
	body     io.ReadCloser // nil: not connected
	dog      *watchdog
	failures int // since the last byte
}

// connect asks for what is left, and again while that may help.
func (d *download) connect() error {
	for {
		ctx, dog := guard(d.ctx, d.backend.config.Timeout)
		resp, f := d.backend.caller.openObject(ctx, d.object, d.at, d.to, d.size) //nolint:bodyclose // disconnect does
		if f == nil {
			dog.rest()
			d.body, d.dog = dog.watched(resp.Body), dog
			return nil
		}
		dog.end()
		if f.missing {
			return errObjectGone
		}
		if err := d.pause(f); err != nil {
			return err
		}
	}
}

func (d *download) pause(f *failure) error {
	err := d.backend.caller.pause(d.ctx, f, d.failures)
	d.failures++
	return err
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.at == d.to {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if d.body == nil {
			if err := d.connect(); err != nil {
				if errors.Is(err, errObjectGone) {
					return 0, replacedMeanwhile()
				}
				return 0, err
			}
		}
		n, err := d.body.Read(p[:min(int64(len(p)), d.to-d.at)])
		d.dog.rest() // the reader may take its time
		if n > 0 {
			d.at += int64(n)
			d.failures = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		err = d.dog.blame(err)
		d.disconnect()
		if err := d.pause(&failure{code: storage.CodeUnavailable, retry: true, text: "the value broke off", cause: err}); err != nil {
			return 0, err
		}
	}
}

func (d *download) disconnect() {
	if d.body != nil {
		d.dog.end()
		_ = d.body.Close()
		d.body = nil
	}
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.disconnect()
	if d.release != nil {
		d.release()
		d.release = nil
	}
	return nil
}
