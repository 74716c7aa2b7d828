package layer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// WriteIDMetadata is the reserved metadata entry by which the outcome of a
// conditional Put can be told: 128 random bits in hexadecimal, made anew for
// each Put.
const WriteIDMetadata = storage.ReservedMetadataPrefix + "write-id"

func (r *retrier) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	replay := newReplay(body, opts.SizeHint, r.opts.ReplayBytes)
	defer replay.release()
	if opts.If.IsNone() {
		a := &attempts{op: event.OpPut, may: func(error) bool { return replay.ready() }}
		res, err := retried(ctx, r, a, func() (storage.PutResult, error) { return r.put(ctx, key, replay, opts) })
		if a.ambiguous {
			res.Created = storage.Unknown
		}
		return res, err
	}
	id := identify(&opts)
	var found *storage.Object // by its write id
	a := &attempts{op: event.OpPut}
	a.may = func(err error) bool {
		if didNotHappen(err) {
			return replay.ready()
		}
		now, known := r.look(ctx, key)
		if known && now.isWrite(id) {
			found = &now.object
			return false
		}
		return known && replay.ready() && opts.If.Check(now.object.ETag) == nil
	}
	res, err := retried(ctx, r, a, func() (storage.PutResult, error) { return r.put(ctx, key, replay, opts) })
	if err != nil && found == nil && (a.ambiguous || mayHaveHappened(storage.AsError(err))) {
		found, err = r.settle(ctx, key, id, opts.If, err)
	}
	switch {
	case found != nil:
		return storage.PutResult{Object: *found, Created: createdUnder(opts.If)}, nil
	case a.ambiguous:
		res.Created = createdUnder(opts.If)
	}
	return res, err
}

// settle makes the most of a conditional Put that may have happened and is not
// tried again: it returns the object if that has the write id, and otherwise
// the error, which is FailedPrecondition if the condition no longer holds.
func (r *retrier) settle(ctx context.Context, key, id string, c storage.Condition, err error) (*storage.Object, error) {
	now, known := r.look(ctx, key)
	switch {
	case !known:
		return nil, err
	case now.isWrite(id):
		return &now.object, nil
	}
	failed := c.Check(now.object.ETag)
	if failed == nil {
		return nil, err
	}
	e := storage.AsError(failed)
	e.OutcomeUnknown, e.Retried = true, true
	e.Err = fmt.Errorf("%w, because of this write or of another; it failed with: %w", e.Err, err)
	return nil, e
}

func (r *retrier) put(ctx context.Context, key string, replay *replay, opts storage.PutOptions) (storage.PutResult, error) {
	body := replay.attempt()
	defer body.end()
	return r.Store.Put(ctx, key, body, opts)
}

// identify adds a write id to the metadata and returns it. One that a layer
// further out added is kept: it stands for the same write. If it does not fit,
// there is none, and an unknown outcome stays unknown.
func identify(opts *storage.PutOptions) string {
	if id := opts.Metadata[WriteIDMetadata]; id != "" {
		return id
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	id := hex.EncodeToString(raw[:])
	metadata := make(map[string]string, len(opts.Metadata)+1)
	maps.Copy(metadata, opts.Metadata)
	metadata[WriteIDMetadata] = id
	if storage.ValidateMetadata(metadata) != nil {
		return ""
	}
	opts.Metadata = metadata
	return id
}

// createdUnder is what a Put that succeeded under c says about the key before.
func createdUnder(c storage.Condition) storage.Tristate {
	return storage.TristateOf(c.Kind == storage.ConditionAbsent)
}

// seen is what a Stat found; a zero object if there is none.
type seen struct{ object storage.Object }

func (s seen) isWrite(id string) bool { return id != "" && s.object.Metadata[WriteIDMetadata] == id }

// look asks for the state of a key after a write of unknown outcome. known is
// false if that cannot be had.
func (r *retrier) look(ctx context.Context, key string) (now seen, known bool) {
	var opts storage.StatOptions
	if r.Store.Capabilities().Consistency.Has(storage.ConsistencyStrong) {
		opts.Consistency = storage.ConsistencyStrong
	}
	object, err := r.Stat(ctx, key, opts)
	switch {
	case err == nil:
		return seen{object}, true
	case storage.CodeOf(err) == storage.CodeNotFound:
		return seen{}, true
	default:
		return seen{}, false
	}
}

func (r *retrier) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	a := &attempts{op: event.OpDelete}
	if !opts.If.IsNone() {
		a.may = func(err error) bool {
			if didNotHappen(err) {
				return true
			}
			now, known := r.look(ctx, key)
			return known && opts.If.Check(now.object.ETag) == nil
		}
	}
	d, err := retried(ctx, r, a, func() (storage.Deleted, error) { return r.Store.Delete(ctx, key, opts) })
	if a.ambiguous && d.Existed == storage.No {
		d.Existed = storage.Unknown
	}
	return d, err
}

func (r *retrier) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	a := &attempts{op: event.OpCopy}
	if !opts.If.IsNone() {
		a.may = didNotHappen
	}
	res, err := retried(ctx, r, a, func() (storage.PutResult, error) { return r.Store.Copy(ctx, src, dst, opts) })
	if a.ambiguous {
		res.Created = storage.Unknown
	}
	return res, err
}
