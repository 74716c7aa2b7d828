package local

import (
	"context"
	"errors"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Get implements storage.Backend. What was opened stays readable when the
// object is replaced or deleted and when the backend is closed.
func (s *store) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	return withValue(ctx, s, key, func() (*storage.Reader, error) { return s.get(ctx, key, opts) })
}

func (s *store) get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	r, err := s.pinned(ctx, key, opts.IfMatch)
	if err != nil {
		return nil, err
	}
	o := r.object
	if !opts.SharedMetadata {
		o = r.describe()
	}
	if len(r.value) == 1 {
		return storage.NewBytesReader(o, opts.Range, r.value[0])
	}
	offset, length, err := opts.Range.Resolve(o.Size)
	if err != nil {
		return nil, err
	}
	body, err := s.engine.open(ctx, r, offset, length)
	if err != nil {
		return nil, err
	}
	return storage.NewReader(o, offset, length, body), nil
}

// Stat implements storage.Backend.
func (s *store) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := s.enter(ctx); err != nil {
		return storage.Object{}, err
	}
	defer s.gate.leave()
	r, err := s.pinned(ctx, key, opts.IfMatch)
	if err != nil {
		return storage.Object{}, err
	}
	return r.describe(), nil
}

// pinned returns the live record of key, which must have the etag ifMatch
// unless that is empty.
func (s *store) pinned(ctx context.Context, key, ifMatch string) (*record, error) {
	r, err := s.current(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, &storage.Error{Code: storage.CodeNotFound}
	case ifMatch != "":
		if err := storage.IfETag(ifMatch).Check(r.object.ETag); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// openAttempts is how often a value is looked for that is replaced while it is
// being opened; then the key is locked, so that it stays.
const openAttempts = 4

// withValue calls use, which looks key up and opens its value, again for as
// long as the version it found is gone when it wants the value.
func withValue[T any](ctx context.Context, s *store, key string, use func() (T, error)) (T, error) {
	for range openAttempts {
		if result, err := use(); !errors.Is(err, errVersionGone) {
			return result, err
		}
	}
	stripe, err := s.keys.lock(ctx, key)
	if err != nil {
		var none T
		return none, storage.AsError(err)
	}
	defer unlock(stripe)
	result, err := use()
	if errors.Is(err, errVersionGone) {
		err = lostValue()
	}
	return result, err
}

// lostValue is what errVersionGone means while the key is locked.
func lostValue() error {
	return storage.Errorf(storage.CodeDataLoss, "the value of the object is missing")
}
