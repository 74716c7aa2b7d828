package local

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Copy implements storage.Copier. A large value on disk is shared by the two
// objects and takes no more room there.
func (s *store) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if err := s.precheck(ctx, dst, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	source, v, err := s.stageCopy(ctx, src, dst, opts.SourceIfMatch)
	if err != nil {
		return storage.PutResult{}, err
	}
	a := attributes{
		contentType: source.object.ContentType,
		metadata:    source.object.Metadata,
		expiresAt:   source.object.ExpiresAt,
	}
	return commitWith(ctx, s, []*staged{v}, func(point *commitPoint) (storage.PutResult, error) {
		return s.putStaged(ctx, point, dst, v, a, opts.If)
	})
}

// stageCopy stages the value of src for dst. Its errors are about src.
func (s *store) stageCopy(ctx context.Context, src, dst, ifMatch string) (*record, *staged, error) {
	if err := s.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer s.gate.leave()
	var source *record
	v, err := withValue(ctx, s, src, func() (*staged, error) {
		var err error
		if source, err = s.pinned(ctx, src, ifMatch); err != nil {
			return nil, err
		}
		return s.engine.stageCopy(ctx, source)
	})
	if err != nil {
		return nil, nil, storage.Annotate(err, "copy", src)
	}
	described := source.object
	described.Key = dst
	v.reserved = described.Size + costOf(&described)
	if err := s.quota.reserve(ctx, v.reserved); err != nil {
		s.engine.discard(v)
		return nil, nil, err
	}
	return source, v, nil
}
