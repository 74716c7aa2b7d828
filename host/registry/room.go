package registry

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// room is where requests wait for a paused backend.
type room struct {
	opened  chan struct{}
	waiting atomic.Int64
	limit   int64
	maxWait time.Duration
}

func newRoom(opts Options) *room {
	return &room{opened: make(chan struct{}), limit: int64(opts.MaxWaiting), maxWait: opts.MaxWait}
}

func (r *room) open() { close(r.opened) }

func (r *room) count() int { return int(r.waiting.Load()) }

// wait returns nil when the room is opened.
func (r *room) wait(ctx context.Context) error {
	defer r.waiting.Add(-1)
	if r.waiting.Add(1) > r.limit {
		return r.refuse("the backend is being replaced and %d requests wait for it already", r.limit)
	}
	timer := time.NewTimer(r.maxWait)
	defer timer.Stop()
	select {
	case <-r.opened:
		return nil
	case <-ctx.Done():
		return storage.AsError(ctx.Err())
	case <-timer.C:
		return r.refuse("the backend is being replaced and was not back after %v", r.maxWait)
	}
}

func (r *room) refuse(format string, args ...any) error {
	err := storage.Errorf(storage.CodeUnavailable, format, args...)
	err.RetryAfter = time.Second
	return err
}
