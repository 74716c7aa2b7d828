package storagetest_test

import (
	"context"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// watching is the reference with other streams.
func watching(name string, wrap func(s *stream) storage.EventStream) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend {
		return &hooked{memory: m, watch: func(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
			s, err := m.Watch(ctx, opts)
			if err != nil {
				return nil, err
			}
			return wrap(s.(*stream)), nil
		}}
	}}
}

// filtered drops the events that keep refuses and lets amend change others.
type filtered struct {
	*stream
	keep  func(e storage.Event) bool
	amend func(e *storage.Event)
}

func (f filtered) Next(ctx context.Context) (storage.Event, error) {
	for {
		e, err := f.stream.Next(ctx)
		if err != nil || f.keep == nil || f.keep(e) {
			if f.amend != nil && err == nil {
				f.amend(&e)
			}
			return e, err
		}
	}
}

// unclosable goes on waiting when it is closed.
type unclosable struct{ *stream }

func (unclosable) Close() error { return nil }

// cursorless has no cursor before its first event.
type cursorless struct{ *stream }

func (cursorless) Cursor() string { return "" }

// repeating gives every event twice, which is allowed.
type repeating struct {
	*stream
	last *storage.Event
}

func (r *repeating) Next(ctx context.Context) (storage.Event, error) {
	if e := r.last; e != nil {
		r.last = nil
		return *e, nil
	}
	e, err := r.stream.Next(ctx)
	if err == nil {
		r.last = &e
	}
	return e, err
}

func watchMutants() []mutant {
	return []mutant{
		watching("events come twice", func(s *stream) storage.EventStream { return &repeating{stream: s} }),
		watching("deletes are not reported", func(s *stream) storage.EventStream {
			return filtered{stream: s, keep: func(e storage.Event) bool { return e.Kind != storage.EventDelete }}
		}),
		watching("events of a key are merged", func(s *stream) storage.EventStream {
			return filtered{stream: s, keep: func(e storage.Event) bool {
				s.m.mu.Lock()
				defer s.m.mu.Unlock()
				return s.m.objects[e.Key].ETag == e.ETag
			}}
		}),
		watching("the prefix is ignored", func(s *stream) storage.EventStream {
			s.prefix = strings.TrimSuffix(s.prefix, "in/")
			return s
		}),
		watching("events have no etag", func(s *stream) storage.EventStream {
			return filtered{stream: s, amend: func(e *storage.Event) { e.ETag = "" }}
		}),
		watching("events have no cursor", func(s *stream) storage.EventStream {
			return filtered{stream: s, amend: func(e *storage.Event) { e.Cursor = "" }}
		}),
		watching("streams have no cursor", func(s *stream) storage.EventStream { return cursorless{s} }),
		watching("a stream cannot be closed", func(s *stream) storage.EventStream { return unclosable{s} }),
		watching("history is reported", func(s *stream) storage.EventStream {
			s.at = 0
			return s
		}),
		{name: "cursors are ignored", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, watch: func(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
				opts.Cursor = ""
				return m.Watch(ctx, opts)
			}}
		}},
	}
}
