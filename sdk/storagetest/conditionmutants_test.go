package storagetest_test

import (
	"context"
	"io"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func conditionMutants() []mutant {
	return []mutant{
		putting("conditions of puts are ignored", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				opts.If = storage.Condition{}
				return m.Put(ctx, key, body, opts)
			}
		}),
		putting("conditions are judged before the body is read", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				o, _ := m.Stat(ctx, key, storage.StatOptions{})
				if err := opts.If.Check(o.ETag); err != nil {
					return storage.PutResult{}, err
				}
				if !opts.If.IsNone() {
					opts.If, body = storage.Condition{}, yielding{body}
				}
				return m.Put(ctx, key, body, opts)
			}
		}),
		putting("an absent key has any etag", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				if _, err := m.Stat(ctx, key, storage.StatOptions{}); err != nil && opts.If.Kind == storage.ConditionETag {
					opts.If = storage.Condition{}
				}
				return m.Put(ctx, key, body, opts)
			}
		}),
		putting("the current etag is not told", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(ctx, key, body, opts)
				if e := storage.AsError(err); e != nil {
					e.Current = ""
					return res, e
				}
				return res, nil
			}
		}),
		putting("a failed condition is a conflict", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(ctx, key, body, opts)
				if e := storage.AsError(err); e != nil && e.Code == storage.CodeFailedPrecondition {
					e.Code = storage.CodeAborted
					return res, e
				}
				return res, err
			}
		}),
		putting("an expired object still counts", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				m.mu.Lock()
				o, dead := m.objects[key], false
				_, live := m.live(key)
				dead = !live && o.ETag != ""
				m.mu.Unlock()
				if dead {
					if err := opts.If.Check(o.ETag); err != nil {
						return storage.PutResult{}, err
					}
					opts.If = storage.Condition{}
				}
				return m.Put(ctx, key, body, opts)
			}
		}),
		{name: "conditions of deletes are ignored", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, _ storage.DeleteOptions) (storage.Deleted, error) {
				return m.Delete(ctx, key, storage.DeleteOptions{})
			}}
		}},
		{name: "a conditional delete of a missing key succeeds", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
				if _, err := m.Stat(ctx, key, storage.StatOptions{}); storage.AsError(err) != nil && storage.CodeOf(err) == storage.CodeNotFound {
					return storage.Deleted{Existed: storage.No}, nil
				}
				return m.Delete(ctx, key, opts)
			}}
		}},
	}
}

// yielding lets others go first before it is read.
type yielding struct{ r io.Reader }

func (y yielding) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond) // the clock of a synctest bubble: everybody else comes to rest first
	return y.r.Read(p)
}
