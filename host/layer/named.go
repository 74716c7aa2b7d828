package layer

import (
	"context"
	"io"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Named fills the names of backend and plugin into errors that lack them, also
// into those of streams and of single operations of a batch.
func Named(backend, plugin string) Layer {
	n := names{backend, plugin}
	return interceptor{
		around: func(_ context.Context, c *call, next func() error) error {
			if err := next(); err != nil {
				return storage.Annotate(n.stamp(err), c.op.String(), c.key)
			}
			return nil
		},
		opened: func(_ context.Context, _ *call, r *storage.Reader) {
			r.Wrap(func(source io.ReadCloser) io.ReadCloser { return namedSource{source, n} })
		},
		watched: func(s storage.EventStream) storage.EventStream { return namedStream{s, n} },
		results: func(results []storage.BatchResult) {
			for i := range results {
				results[i].Err = n.stamp(results[i].Err)
			}
		},
	}.layer()
}

type names struct{ backend, plugin string }

func (n names) stamp(err error) error {
	if err == nil {
		return nil
	}
	e := storage.AsError(err)
	if e.Backend == "" {
		e.Backend = n.backend
	}
	if e.Plugin == "" {
		e.Plugin = n.plugin
	}
	return e
}

type namedSource struct {
	io.ReadCloser
	names names
}

func (s namedSource) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // sources return io.EOF itself
		err = s.names.stamp(err)
	}
	return n, err
}

type namedStream struct {
	storage.EventStream
	names names
}

func (s namedStream) Next(ctx context.Context) (storage.Event, error) {
	ev, err := s.EventStream.Next(ctx)
	return ev, s.names.stamp(err)
}
