package layer

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// call is an operation on its way through an interceptor.
type call struct {
	op   event.Op
	key  string
	read int64 // bytes of values, known when next returned
	sent int64
}

// interceptor is a layer that treats all operations alike.
type interceptor struct {
	// around calls next, once or not at all, and returns its error, another,
	// or nil if it was nil.
	around func(ctx context.Context, c *call, next func() error) error
	// opened is told of the Reader of a Get for which around returned nil, and
	// results of those of a batch or commit. May be nil.
	opened  func(ctx context.Context, c *call, r *storage.Reader)
	watched func(storage.EventStream) storage.EventStream
	results func([]storage.BatchResult)
}

func (i interceptor) layer() Layer {
	return func(s storage.Store) storage.Store { return &intercepted{Store: s, interceptor: i} }
}

type intercepted struct {
	storage.Store
	interceptor
}

func (s *intercepted) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	c := &call{op: event.OpGet, key: key}
	var r *storage.Reader
	err := s.around(ctx, c, func() (err error) {
		r, err = s.Store.Get(ctx, key, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.opened != nil {
		s.opened(ctx, c, r)
	}
	return r, nil
}

func (s *intercepted) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	c := &call{op: event.OpPut, key: key}
	var res storage.PutResult
	err := s.around(ctx, c, func() (err error) {
		res, err = s.Store.Put(ctx, key, body, opts)
		c.sent = res.Object.Size
		return err
	})
	return res, err
}

func (s *intercepted) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	var o storage.Object
	err := s.around(ctx, &call{op: event.OpStat, key: key}, func() (err error) {
		o, err = s.Store.Stat(ctx, key, opts)
		return err
	})
	return o, err
}

func (s *intercepted) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	var d storage.Deleted
	err := s.around(ctx, &call{op: event.OpDelete, key: key}, func() (err error) {
		d, err = s.Store.Delete(ctx, key, opts)
		return err
	})
	return d, err
}

func (s *intercepted) List(ctx context.Context, opts storage.ListOptions) (storage.Page, error) {
	var p storage.Page
	err := s.around(ctx, &call{op: event.OpList}, func() (err error) {
		p, err = s.Store.List(ctx, opts)
		return err
	})
	return p, err
}

func (s *intercepted) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	return s.many(ctx, event.OpBatch, ops, func() ([]storage.BatchResult, error) { return s.Store.Batch(ctx, ops, opts) })
}

func (s *intercepted) Commit(ctx context.Context, tx storage.Transaction) ([]storage.BatchResult, error) {
	return s.many(ctx, event.OpCommit, tx.Ops, func() ([]storage.BatchResult, error) { return s.Store.Commit(ctx, tx) })
}

func (s *intercepted) many(ctx context.Context, op event.Op, ops []storage.BatchOp, run func() ([]storage.BatchResult, error)) ([]storage.BatchResult, error) {
	c := &call{op: op}
	var results []storage.BatchResult
	err := s.around(ctx, c, func() (err error) {
		results, err = run()
		for i := range results {
			c.read += int64(len(results[i].Value))
			if results[i].Err == nil {
				c.sent += int64(len(ops[i].Value))
			}
		}
		return err
	})
	if err == nil && s.results != nil {
		s.results(results)
	}
	return results, err
}

func (s *intercepted) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	var res storage.PutResult
	err := s.around(ctx, &call{op: event.OpCopy, key: dst}, func() (err error) {
		res, err = s.Store.Copy(ctx, src, dst, opts)
		return err
	})
	return res, err
}

func (s *intercepted) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	var stream storage.EventStream
	err := s.around(ctx, &call{op: event.OpWatch}, func() (err error) {
		stream, err = s.Store.Watch(ctx, opts)
		return err
	})
	if err == nil && s.watched != nil {
		stream = s.watched(stream)
	}
	return stream, err
}

func (s *intercepted) CheckHealth(ctx context.Context) error {
	return s.around(ctx, &call{op: event.OpHealth}, func() error { return s.Store.CheckHealth(ctx) })
}
