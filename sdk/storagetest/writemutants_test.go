package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type putFunc = func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error)

// putting is the reference with another Put.
func putting(name string, put func(m *memory) putFunc) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend { return &hooked{memory: m, put: put(m)} }}
}

// amended is the reference whose Put changes the object after the commit.
func amended(name string, amend func(o *object, old object, opts storage.PutOptions)) mutant {
	return putting(name, func(m *memory) putFunc {
		return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
			if err := m.usable(ctx); err != nil {
				return storage.PutResult{}, err
			}
			value, err := io.ReadAll(body)
			if err != nil {
				return storage.PutResult{}, err
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if err := m.usable(ctx); err != nil {
				return storage.PutResult{}, err
			}
			old := m.objects[key]
			res, err := m.store(key, value, opts)
			if err != nil {
				return res, err
			}
			o := m.objects[key]
			amend(&o, old, opts)
			m.objects[key] = o
			m.events[len(m.events)-1].ETag = o.ETag
			res.Object = o.Object
			res.Object.Metadata = maps.Clone(o.Metadata)
			return res, nil
		}
	})
}

func writeMutants() []mutant {
	return []mutant{
		amended("the same bytes get the same etag", func(o *object, _ object, _ storage.PutOptions) {
			o.ETag = fmt.Sprintf("%08x-%d", o.CRC32C, o.Size)
		}),
		amended("old metadata stays", func(o *object, old object, _ storage.PutOptions) {
			if len(o.Metadata) == 0 {
				o.Metadata = old.Metadata
			}
		}),
		amended("the old expiry stays", func(o *object, old object, opts storage.PutOptions) {
			if opts.TTL == 0 {
				o.ExpiresAt = old.ExpiresAt
			}
		}),
		amended("the expiry is a minute late", func(o *object, _ object, opts storage.PutOptions) {
			if opts.TTL > 0 {
				o.ExpiresAt = o.ExpiresAt.Add(time.Minute)
			}
		}),
		amended("large values have no checksum", func(o *object, _ object, _ storage.PutOptions) {
			if o.Size >= 100_000 {
				o.CRC32C = 0
			}
		}),
		amended("the caller's map is kept", func(o *object, _ object, opts storage.PutOptions) { o.Metadata = opts.Metadata }),
		amended("etags are quoted", func(o *object, _ object, _ storage.PutOptions) { o.ETag = `"` + o.ETag + `"` }),
		putting("the result lacks the metadata", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(ctx, key, body, opts)
				res.Object.Metadata = nil
				return res, err
			}
		}),
		putting("everything was created", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(ctx, key, body, opts)
				res.Created = storage.Yes
				return res, err
			}
		}),
		putting("a broken body is a short value", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				value, _ := io.ReadAll(body) // the fault: the error is dropped
				return m.Put(ctx, key, bytes.NewReader(value), opts)
			}
		}),
		putting("the size hint is the size", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				if opts.SizeHint > 0 {
					body = io.LimitReader(body, opts.SizeHint)
				}
				return m.Put(ctx, key, body, opts)
			}
		}),
		putting("a canceled put lands", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(context.WithoutCancel(ctx), key, body, opts)
				if ctx.Err() != nil {
					err = storage.AsError(ctx.Err())
				}
				return res, err
			}
		}),
		{name: "a canceled put lands later", fault: func(m *memory) storage.Backend {
			var mu sync.Mutex
			late := make(map[string]func())
			return &hooked{
				memory: m,
				put: func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
					value, err := io.ReadAll(body)
					if err == nil && ctx.Err() != nil {
						mu.Lock()
						defer mu.Unlock()
						late[key] = func() { _, _ = m.Put(context.WithoutCancel(ctx), key, bytes.NewReader(value), opts) }
						return storage.PutResult{}, storage.AsError(ctx.Err())
					}
					return m.Put(ctx, key, &broken{Reader: bytes.NewReader(value), err: err}, opts)
				},
				get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
					mu.Lock()
					defer mu.Unlock()
					if land := late[key]; land != nil {
						land()
						delete(late, key)
					}
					return m.Get(ctx, key, opts)
				},
			}
		}},
		putting("the old value goes before the new one is whole", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				value, err := io.ReadAll(body)
				if err != nil {
					_, _ = m.Delete(ctx, key, storage.DeleteOptions{})
					return storage.PutResult{}, err
				}
				return m.Put(ctx, key, bytes.NewReader(value), opts)
			}
		}),
		{name: "the body is read again later", fault: func(m *memory) storage.Backend {
			var mu sync.Mutex
			var last io.Reader
			return &hooked{
				memory: m,
				put: func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
					res, err := m.Put(ctx, key, body, opts)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						last = body
					}
					return res, err
				},
				get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
					mu.Lock()
					defer mu.Unlock()
					if last != nil {
						_, _ = last.Read(make([]byte, 1))
					}
					return m.Get(ctx, key, opts)
				},
			}
		}},
		putting("the body is closed", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				res, err := m.Put(ctx, key, body, opts)
				if c, ok := body.(io.Closer); ok {
					_ = c.Close()
				}
				return res, err
			}
		}),
		putting("the expiry is forgotten", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				opts.TTL = 0
				return m.Put(ctx, key, body, opts)
			}
		}),
		putting("metadata over 2 KiB is refused", func(m *memory) putFunc {
			return func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
				total := 0
				for name, value := range opts.Metadata {
					total += len(name) + len(value)
				}
				if total > storage.MaxMetadataBytes {
					return storage.PutResult{}, storage.Errorf(storage.CodeInvalidArgument, "too much metadata")
				}
				return m.Put(ctx, key, body, opts)
			}
		}),
		{name: "delete is not idempotent", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
				d, err := m.Delete(ctx, key, opts)
				if err == nil && d.Existed == storage.No {
					return d, storage.Errorf(storage.CodeNotFound, "no such object")
				}
				return d, err
			}}
		}},
		{name: "delete removes the children too", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
				d, err := m.Delete(ctx, key, opts)
				if err == nil {
					page, _ := m.List(ctx, storage.ListOptions{Prefix: key + "/", Limit: storage.MaxListLimit})
					for _, o := range page.Objects {
						_, _ = m.Delete(ctx, o.Key, storage.DeleteOptions{})
					}
				}
				return d, err
			}}
		}},
		{name: "everything existed", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
				_, err := m.Delete(ctx, key, opts)
				return storage.Deleted{Existed: storage.Yes}, err
			}}
		}},
		{name: "a copy forgets the metadata", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, copy: func(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
				o, err := m.Stat(ctx, src, storage.StatOptions{IfMatch: opts.SourceIfMatch})
				if err != nil {
					return storage.PutResult{}, storage.Annotate(err, "copy", src)
				}
				r, err := m.Get(ctx, src, storage.GetOptions{})
				if err != nil {
					return storage.PutResult{}, err
				}
				put := storage.PutOptions{If: opts.If, ContentType: o.ContentType}
				if !o.ExpiresAt.IsZero() {
					put.TTL = time.Until(o.ExpiresAt)
				}
				return m.Put(ctx, dst, r, put)
			}}
		}},
		{name: "a missing source is blamed on the destination", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, copy: func(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
				res, err := m.Copy(ctx, src, dst, opts)
				if errors.Is(err, storage.ErrNotFound) {
					err = storage.Errorf(storage.CodeNotFound, "no such object")
				}
				return res, err
			}}
		}},
	}
}

// broken ends with an error, if there is one.
type broken struct {
	io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && b.err != nil {
		err = b.err
	}
	return n, err
}
