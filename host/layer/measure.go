package layer

import (
	"context"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Measure tells l of every operation when it ended: that of a Get when its
// Reader is closed, that of a Watch when its stream is. The bytes of a Put are
// counted when it succeeded. A batch is one operation; errors of its single
// operations do not make it fail.
func Measure(backend, plugin string, l event.Listener) Layer {
	l = l.WithDefaults()
	m := meter{backend, plugin, l.Operation}
	return func(s storage.Store) storage.Store {
		inner := interceptor{around: m.around}.layer()(s)
		return &measured{Store: inner, base: s, meter: m}
	}
}

type meter struct {
	backend, plugin string
	tell            func(event.OperationInfo)
}

func (m meter) around(_ context.Context, c *call, next func() error) error {
	begin := time.Now()
	err := next()
	m.report(c, begin, err)
	return err
}

func (m meter) report(c *call, begin time.Time, err error) {
	info := event.OperationInfo{
		Backend: m.backend, Plugin: m.plugin, Op: c.op, Key: c.key,
		Duration: time.Since(begin), BytesRead: c.read, BytesWritten: c.sent, Err: err,
	}
	if err != nil {
		info.Code = storage.CodeOf(err)
	}
	m.tell(info)
}

// measured reports Get and Watch at the end of their streams.
type measured struct {
	storage.Store
	base  storage.Store
	meter meter
}

func (s *measured) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	begin := time.Now()
	r, err := s.base.Get(ctx, key, opts)
	if err != nil {
		s.meter.report(&call{op: event.OpGet, key: key}, begin, err)
		return nil, err
	}
	r.OnClose(func(read int64, err error) { s.meter.report(&call{op: event.OpGet, key: key, read: read}, begin, err) })
	return r, nil
}

func (s *measured) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	begin := time.Now()
	stream, err := s.base.Watch(ctx, opts)
	if err != nil {
		s.meter.report(&call{op: event.OpWatch}, begin, err)
		return nil, err
	}
	return &measuredStream{EventStream: stream, meter: s.meter, begin: begin}, nil
}

type measuredStream struct {
	storage.EventStream
	meter meter
	begin time.Time
	once  sync.Once
	mu    sync.Mutex
	err   error // of Next; guarded by mu
}

func (s *measuredStream) Next(ctx context.Context) (storage.Event, error) {
	ev, err := s.EventStream.Next(ctx)
	if err != nil && storage.CodeOf(err) != storage.CodeCanceled {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return ev, err
}

func (s *measuredStream) Close() error {
	err := s.EventStream.Close()
	s.once.Do(func() {
		s.mu.Lock()
		failure := s.err
		s.mu.Unlock()
		s.meter.report(&call{op: event.OpWatch}, s.begin, failure)
	})
	return err
}
