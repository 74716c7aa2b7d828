package storagetest_test

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func readMutants() []mutant {
	return []mutant{
		{name: "an over-long range is refused", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				o, err := m.Stat(ctx, key, storage.StatOptions{})
				if err == nil && opts.Range.Kind == storage.RangeSpan && opts.Range.Length > o.Size-opts.Range.Offset {
					return nil, storage.Errorf(storage.CodeOutOfRange, "over the end")
				}
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "an offset at the end is out of range", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				o, err := m.Stat(ctx, key, storage.StatOptions{})
				if err == nil && opts.Range.Kind == storage.RangeSpan && opts.Range.Offset == o.Size {
					return nil, storage.Errorf(storage.CodeOutOfRange, "at the end")
				}
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "an offset beyond the end reads nothing", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				o, err := m.Stat(ctx, key, storage.StatOptions{})
				if err == nil && opts.Range.Kind == storage.RangeSpan {
					opts.Range.Offset = min(opts.Range.Offset, o.Size)
				}
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "a suffix is read as an offset", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				o, err := m.Stat(ctx, key, storage.StatOptions{})
				if err == nil && opts.Range.Kind == storage.RangeSuffix {
					opts.Range = storage.RangeFrom(min(opts.Range.Length, o.Size))
				}
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "ranges are ignored", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				opts.Range = storage.Range{}
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "if-match is ignored by get", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				opts.IfMatch = ""
				return m.Get(ctx, key, opts)
			}}
		}},
		{name: "if-match is ignored by stat", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, stat: func(ctx context.Context, key string, _ storage.StatOptions) (storage.Object, error) {
				return m.Stat(ctx, key, storage.StatOptions{})
			}}
		}},
		{name: "an empty value is not found", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				r, err := m.Get(ctx, key, opts)
				if err == nil && r.Object.Size == 0 {
					return nil, storage.Errorf(storage.CodeNotFound, "nothing there")
				}
				return r, err
			}}
		}},
		{name: "a missing key has no ranges", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				r, err := m.Get(ctx, key, opts)
				if errors.Is(err, storage.ErrNotFound) && !opts.Range.IsWhole() {
					err = storage.Errorf(storage.CodeOutOfRange, "no such range")
				}
				return r, err
			}}
		}},
		{name: "errors name another operation", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, stat: func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
				o, err := m.Stat(ctx, key, opts)
				return o, storage.Annotate(err, "head", "")
			}}
		}},
		{name: "readers see what is written behind them", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
				r, err := m.Get(ctx, key, opts)
				if err != nil || !opts.Range.IsWhole() || r.Object.Size < 100_000 {
					return r, err
				}
				obj := r.Object
				obj.Size++ // goes round the checksum of whole values
				return storage.NewReader(obj, 0, r.Length, &follower{m: m, key: key}), nil
			}}
		}},
		{name: "stat forgets the content type", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, stat: func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
				o, err := m.Stat(ctx, key, opts)
				o.ContentType = ""
				return o, err
			}}
		}},
		{name: "keys are trimmed", fault: func(m *memory) storage.Backend { return rekeyed(m, strings.TrimSpace) }},
		{name: "keys are lower-cased", fault: func(m *memory) storage.Backend { return rekeyed(m, strings.ToLower) }},
		{name: "doubled slashes are joined", fault: func(m *memory) storage.Backend {
			return rekeyed(m, func(key string) string { return strings.ReplaceAll(key, "//", "/") })
		}},
		{name: "a done context is ignored by stat", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, stat: func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
				return m.Stat(context.WithoutCancel(ctx), key, opts)
			}}
		}},
	}
}

// follower reads the current value of a key, a few bytes at a time.
type follower struct {
	m   *memory
	key string
	at  int
}

func (f *follower) Read(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	value := f.m.objects[f.key].value
	if f.at >= len(value) {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1000)], value[f.at:])
	f.at += n
	return n, nil
}

func (f *follower) Close() error { return nil }

// rekeyed is a backend that stores under other keys than it was given; it
// answers with the key of the caller.
func rekeyed(m *memory, change func(string) string) storage.Backend {
	named := func(o storage.Object, key string) storage.Object {
		o.Key = key
		return o
	}
	return &hooked{
		memory: m,
		get: func(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
			r, err := m.Get(ctx, change(key), opts)
			if err == nil {
				r.Object = named(r.Object, key)
			}
			return r, err
		},
		put: func(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
			res, err := m.Put(ctx, change(key), body, opts)
			res.Object = named(res.Object, key)
			return res, err
		},
		stat: func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
			o, err := m.Stat(ctx, change(key), opts)
			return named(o, key), err
		},
		del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
			return m.Delete(ctx, change(key), opts)
		},
	}
}
