package local

import (
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Put implements storage.Backend. A condition that fails already when the body
// begins fails without the body being read.
func (s *store) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.precheck(ctx, key, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	v, err := s.stage(ctx, key, body, opts)
	if err != nil {
		return storage.PutResult{}, err
	}
	attributes := attributesOf(opts)
	return commitWith(ctx, s, []*staged{v}, func(point *commitPoint) (storage.PutResult, error) {
		return s.putStaged(ctx, point, key, v, attributes, opts.If)
	})
}

// precheck fails early where the commit is bound to fail.
func (s *store) precheck(ctx context.Context, key string, condition storage.Condition) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.engine.health(); err != nil || condition.IsNone() {
		return err
	}
	r, err := s.current(ctx, key)
	if err != nil {
		return err
	}
	return condition.Check(r.etag())
}

// stage reads body and reserves what the object will count.
func (s *store) stage(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (*staged, error) {
	v, err := s.engine.stage(ctx, body, opts.SizeHint)
	if err != nil {
		return nil, err
	}
	n := costOf(&storage.Object{Key: key, ContentType: opts.ContentType, Metadata: opts.Metadata})
	if err := s.quota.reserve(ctx, n); err != nil {
		s.discard([]*staged{v})
		return nil, err
	}
	v.reserved += n
	return v, nil
}

func (s *store) putStaged(ctx context.Context, point *commitPoint, key string, v *staged, a attributes, condition storage.Condition) (storage.PutResult, error) {
	if err := s.engine.settle(v); err != nil {
		return storage.PutResult{}, err
	}
	stripe, err := s.keys.lock(ctx, key)
	if err != nil {
		return storage.PutResult{}, storage.AsError(err)
	}
	defer unlock(stripe)
	old, err := s.engine.lookup(key)
	if err != nil {
		return storage.PutResult{}, err
	}
	now := s.clock()
	etag := old.live(now).etag()
	if err := condition.Check(etag); err != nil {
		return storage.PutResult{}, err
	}
	next := v.record(key, a, now)
	var c commit
	c.add(change{key: key, old: old, next: next, value: v})
	if err := s.apply(ctx, point, &c); err != nil {
		return storage.PutResult{}, err
	}
	return storage.PutResult{Object: next.describe(), Created: storage.TristateOf(etag == "")}, nil
}

// clock returns the time as it is stored.
func (s *store) clock() time.Time { return s.now().UTC().Round(0) }

// Delete implements storage.Backend.
func (s *store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := ctx.Err(); err != nil {
		return storage.Deleted{}, storage.AsError(err)
	}
	return commitWith(ctx, s, nil, func(point *commitPoint) (storage.Deleted, error) {
		stripe, err := s.keys.lock(ctx, key)
		if err != nil {
			return storage.Deleted{}, storage.AsError(err)
		}
		defer unlock(stripe)
		old, err := s.engine.lookup(key)
		if err != nil {
			return storage.Deleted{}, err
		}
		etag := old.live(s.now()).etag()
		if err := opts.If.Check(etag); err != nil {
			return storage.Deleted{}, err
		}
		if etag == "" {
			return storage.Deleted{Existed: storage.No}, nil
		}
		var c commit
		c.add(change{key: key, old: old})
		if err := s.apply(ctx, point, &c); err != nil {
			return storage.Deleted{}, err
		}
		return storage.Deleted{Existed: storage.Yes}, nil
	})
}
