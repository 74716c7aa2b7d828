package local

import (
	"context"
	"errors"
	"io"
	"time"
)

// engine keeps records and values. The store above it serialises the commits
// of each key; everything else may be called concurrently.
type engine interface {
	// lookup returns the record of key, expired or not; nil if there is none.
	lookup(key string) (*record, error)

	// scan shows visit the records whose keys begin with prefix, from the key
	// from on, in order. visit returns the key to go on with: "" for the next
	// one. It must not block.
	scan(prefix, from string, visit func(*record) (seek string, more bool)) error

	// expired returns up to limit keys whose objects expired at now or before.
	expired(now time.Time, limit int) ([]string, error)

	// open opens the value of r, from offset on, for reading until ctx is
	// done. If that version was replaced meanwhile it fails with
	// errVersionGone.
	open(ctx context.Context, r *record, offset, length int64) (io.ReadCloser, error)

	// stage reads body to its end. The quota of the value is reserved as it is
	// read.
	stage(ctx context.Context, body io.Reader, sizeHint int64) (*staged, error)

	// stageCopy stages a new version with the value of r, or fails with
	// errVersionGone. It reserves nothing.
	stageCopy(ctx context.Context, r *record) (*staged, error)

	// settle makes a staged value durable.
	settle(v *staged) error

	// discard frees a staged value that was not committed.
	discard(v *staged)

	// commit applies c, all or nothing, durably. An error says with
	// OutcomeUnknown whether it may have been applied.
	commit(c *commit) error

	// release frees the value of a version that was replaced or deleted.
	release(r *record)

	// maintain does what has to be done now and then, until ctx is done.
	maintain(ctx context.Context)

	// failed is closed when the engine cannot go on; health says why, and
	// costs nothing. Nil if that cannot happen.
	failed() <-chan struct{}
	health() error

	// probe returns nil if the engine could serve.
	probe() error

	// close releases everything. No other call is running or follows, unless
	// abandon is set: then calls hang in the failed engine, and whatever they
	// may touch is left alone.
	close(abandon bool) error
}

// errVersionGone tells that the value of a version is no longer there, because
// the version was replaced or because it is damaged; looking the key up again
// tells which.
var errVersionGone = errors.New("the value of the version is gone")
