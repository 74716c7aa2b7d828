package storagetest_test

import (
	"context"
	"errors"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// forgetting is the reference that loses something when it is closed.
func forgetting(name string, lose func(m *memory)) mutant {
	return mutant{name: name, fault: func(m *memory) storage.Backend {
		return &hooked{memory: m, close: func(ctx context.Context) error {
			err := m.Close(ctx)
			m.mu.Lock()
			defer m.mu.Unlock()
			lose(m)
			return err
		}}
	}}
}

func lifeMutants() []mutant {
	return []mutant{
		forgetting("everything is lost at the close", func(m *memory) { clear(m.objects) }),
		forgetting("etags begin anew after the close", func(m *memory) { m.serial = 0 }),
		forgetting("expiries are lost at the close", func(m *memory) {
			for key, o := range m.objects {
				o.ExpiresAt = time.Time{}
				m.objects[key] = o
			}
		}),
		forgetting("metadata is lost at the close", func(m *memory) {
			for key, o := range m.objects {
				o.Metadata = nil
				m.objects[key] = o
			}
		}),
		forgetting("events are lost at the close", func(m *memory) {
			for i := range m.events {
				m.events[i].Key = ""
			}
		}),
		{name: "the second close fails", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, close: func(ctx context.Context) error {
				if m.closed.Load() {
					return storage.Errorf(storage.CodeUnavailable, "closed already")
				}
				return m.Close(ctx)
			}}
		}},
		{name: "reading goes on after the close", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, stat: func(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
				o, err := m.Stat(ctx, key, opts)
				if errors.Is(err, storage.ErrUnavailable) {
					return storage.Object{}, storage.Errorf(storage.CodeNotFound, "no such object")
				}
				return o, err
			}}
		}},
		{name: "operations after the close are internal errors", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, del: func(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
				d, err := m.Delete(ctx, key, opts)
				if errors.Is(err, storage.ErrUnavailable) {
					err = errors.New("use of closed file")
				}
				return d, err
			}}
		}},
		{name: "a closed backend is healthy", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, health: func(context.Context) error { return nil }}
		}},
		{name: "the health check writes a key", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, health: func(ctx context.Context) error {
				m.mu.Lock()
				defer m.mu.Unlock()
				for key, o := range m.objects {
					if _, err := m.store(key, o.value, storage.PutOptions{}); err != nil {
						return err
					}
				}
				return m.usable(ctx)
			}}
		}},
		{name: "the health check panics", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, health: func(context.Context) error { panic("no health") }}
		}},
		{name: "the health check hangs", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, health: func(context.Context) error {
				time.Sleep(24 * time.Hour) // the clock of a synctest bubble
				return nil
			}}
		}},
		{name: "capabilities grow with use", fault: func(m *memory) storage.Backend {
			return &hooked{memory: m, caps: func() storage.Capabilities {
				caps := m.Capabilities()
				m.mu.Lock()
				defer m.mu.Unlock()
				caps.MaxValueSize += int64(len(m.objects))
				return caps
			}}
		}},
	}
}
