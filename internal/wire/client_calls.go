package wire

import (
	"context"

	storagev1 "github.com/p2p-ai-agents/stowage/proto/stowage/storage/v1"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (s *clientStore) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := s.checkOpen(); err != nil {
		return storage.Object{}, err
	}
	resp, err := s.storage.Stat(ctx, &storagev1.StatRequest{
		Backend: s.id, Key: key, IfMatch: opts.IfMatch, Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil {
		return storage.Object{}, callError(ctx.Err, err, "stat", key, false)
	}
	mergeSession(opts.Session, resp.GetSession())
	return objectFromProto(resp.GetObject()), nil
}

func (s *clientStore) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := s.checkOpen(); err != nil {
		return storage.Deleted{}, err
	}
	resp, err := s.storage.Delete(ctx, &storagev1.DeleteRequest{
		Backend: s.id, Key: key, Condition: conditionToProto(opts.If),
		Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil {
		return storage.Deleted{}, callError(ctx.Err, err, "delete", key, true)
	}
	mergeSession(opts.Session, resp.GetSession())
	return storage.Deleted{Existed: tristateFromProto(resp.GetExisted())}, nil
}

func (s *clientStore) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	if err := s.checkOpen(); err != nil {
		return storage.Page{}, err
	}
	page, err := s.list(ctx, opts)
	if err != nil {
		return storage.Page{}, callError(ctx.Err, err, "list", "", false)
	}
	return page, nil
}

func (s *clientStore) list(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := opts.Limit
	if limit == 0 {
		limit = storage.DefaultListLimit
	}
	stream, err := s.storage.List(ctx, &storagev1.ListRequest{
		Backend: s.id, Prefix: opts.Prefix, Delimiter: opts.Delimiter, Limit: int32(limit), Token: opts.Token, //nolint:gosec // at most MaxListLimit
		AllowPartial: opts.AllowPartial, Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil {
		return storage.Page{}, err
	}
	var page storage.Page
	for {
		part, err := stream.Recv()
		if isEnd(err) {
			return page, nil
		}
		if err != nil {
			return storage.Page{}, err
		}
		if len(page.Objects)+len(page.Prefixes)+len(part.GetObjects())+len(part.GetPrefixes()) > limit {
			return storage.Page{}, storage.Errorf(storage.CodeInternal, "the plugin listed more than the %d entries asked for", limit)
		}
		for _, o := range part.GetObjects() {
			page.Objects = append(page.Objects, objectFromProto(o))
		}
		page.Prefixes = append(page.Prefixes, part.GetPrefixes()...)
		page.NextToken = part.GetNextToken()
		page.Partial, page.FailedBackends = part.GetPartial(), part.GetFailedBackends()
		mergeSession(opts.Session, part.GetSession())
	}
}

func (s *clientStore) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	resp, err := s.storage.Batch(ctx, &storagev1.BatchRequest{
		Backend: s.id, Operations: operationsToProto(ops), Atomic: opts.Atomic,
		Consistency: consistencyToProto(opts.Consistency), Session: sessionToProto(opts.Session),
	})
	if err != nil {
		return nil, callError(ctx.Err, err, "batch", "", len(keysOf(ops)) > 0)
	}
	mergeSession(opts.Session, resp.GetSession())
	return resultsFromProto(resp.GetResults()), nil
}

func (s *clientStore) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	req := &storagev1.CommitRequest{Backend: s.id, Operations: operationsToProto(tx.Ops)}
	for _, c := range tx.Checks {
		req.Checks = append(req.Checks, &storagev1.CommitRequest_Check{Key: c.Key, Etag: c.ETag})
	}
	resp, err := s.storage.Commit(ctx, req)
	if err != nil {
		return nil, callError(ctx.Err, err, "commit", "", len(keysOf(tx.Ops)) > 0)
	}
	return resultsFromProto(resp.GetResults()), nil
}

func (s *clientStore) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if err := s.checkOpen(); err != nil {
		return storage.PutResult{}, err
	}
	resp, err := s.storage.Copy(ctx, &storagev1.CopyRequest{
		Backend: s.id, Source: src, Destination: dst, Condition: conditionToProto(opts.If), SourceIfMatch: opts.SourceIfMatch,
	})
	if err != nil {
		return storage.PutResult{}, callError(ctx.Err, err, "copy", dst, true)
	}
	return storage.PutResult{Object: objectFromProto(resp.GetObject()), Created: tristateFromProto(resp.GetCreated())}, nil
}

// CheckHealth asks the process for the health of all its backends and returns
// that of this one.
func (s *clientStore) CheckHealth(ctx context.Context) error {
	if err := s.checkOpen(); err != nil {
		return err
	}
	health, err := s.client.Health(ctx)
	if err != nil {
		return err
	}
	mine, open := health[s.id]
	if !open {
		return storage.Errorf(storage.CodeUnavailable, "the plugin has no open backend with the id %q", s.id)
	}
	return mine
}

func (s *clientStore) Close(ctx context.Context) error {
	s.closed.Store(true)
	if s.gone.Load() {
		return nil // the id may belong to another backend by now
	}
	if err := s.client.closeBackend(ctx, s.id); err != nil {
		return err
	}
	s.gone.Store(true)
	return nil
}
