package layer

import (
	"context"
	"io"
	"maps"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Reserved keeps the metadata entries that belong to Stowage away from
// callers: it refuses theirs with the reserved prefix, or over the callers'
// limit, as InvalidArgument, and takes such entries out of what they read. It
// belongs at the top of a host, above everything that uses those entries.
func Reserved() Layer {
	return func(s storage.Store) storage.Store { return &reserved{s} }
}

type reserved struct{ storage.Store }

// public returns o without reserved metadata. The map may be shared, so it is
// copied if it has to change.
func public(o storage.Object) storage.Object {
	hidden := 0
	for name := range o.Metadata {
		if strings.HasPrefix(name, storage.ReservedMetadataPrefix) {
			hidden++
		}
	}
	if hidden == 0 {
		return o
	}
	var visible map[string]string
	if len(o.Metadata) > hidden {
		visible = make(map[string]string, len(o.Metadata)-hidden)
		for name, value := range o.Metadata {
			if !strings.HasPrefix(name, storage.ReservedMetadataPrefix) {
				visible[name] = value
			}
		}
	}
	o.Metadata = visible
	return o
}

// Get asks for metadata that is shared, since most of what has reserved entries
// is copied here anyway.
func (s *reserved) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	shared := opts.SharedMetadata
	opts.SharedMetadata = true
	r, err := s.Store.Get(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	all := len(r.Object.Metadata)
	if r.Object = public(r.Object); !shared && len(r.Object.Metadata) == all {
		r.Object.Metadata = maps.Clone(r.Object.Metadata)
	}
	return r, nil
}

func (s *reserved) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := storage.ValidateCallerMetadata(opts.Metadata); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	res, err := s.Store.Put(ctx, key, body, opts)
	res.Object = public(res.Object)
	return res, err
}

func (s *reserved) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	o, err := s.Store.Stat(ctx, key, opts)
	return public(o), err
}

func (s *reserved) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	p, err := s.Store.List(ctx, opts)
	for i := range p.Objects {
		p.Objects[i] = public(p.Objects[i])
	}
	return p, err
}

func (s *reserved) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	if err := checkCallerOps(ops); err != nil {
		return nil, storage.Annotate(err, "batch", "")
	}
	results, err := s.Store.Batch(ctx, ops, opts)
	return publicResults(results), err
}

func (s *reserved) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	if err := checkCallerOps(tx.Ops); err != nil {
		return nil, storage.Annotate(err, "commit", "")
	}
	results, err := s.Store.Commit(ctx, tx)
	return publicResults(results), err
}

func (s *reserved) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	res, err := s.Store.Copy(ctx, src, dst, opts)
	res.Object = public(res.Object)
	return res, err
}

func checkCallerOps(ops []storage.BatchOp) error {
	for _, op := range ops {
		if op.Kind != storage.BatchPut {
			continue
		}
		if err := storage.ValidateCallerMetadata(op.Put.Metadata); err != nil {
			return storage.Annotate(err, "", op.Key)
		}
	}
	return nil
}

func publicResults(results []storage.BatchResult) []storage.BatchResult {
	for i := range results {
		results[i].Object = public(results[i].Object)
	}
	return results
}
