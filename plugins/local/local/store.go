package local

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// store implements the contract over an engine. It is safe for concurrent use.
type store struct {
	engine   engine
	caps     storage.Capabilities
	versions *versionSource
	quota    *quota
	log      *changeLog
	keys     *keyLocks
	logger   *slog.Logger
	now      func() time.Time

	gate       *gate
	background context.CancelFunc // ends the sweeper
	work       sync.WaitGroup     // all goroutines of the store
	closing    sync.Once
	closed     chan struct{} // closed when everything is released
	closeErr   error         // valid once closed is
}

var _ storage.Store = (*store)(nil)

func capabilities() storage.Capabilities {
	return storage.Capabilities{
		ConditionalPut:    true,
		ConditionalDelete: true,
		TTL:               true,
		Batch:             true,
		AtomicBatch:       true,
		Watch:             true,
		Transactions:      true,
		Copy:              true,
		HealthCheck:       true,
		Consistency:       storage.AllConsistencyLevels(),
	}
}

// start makes s ready and starts its sweeper.
func (s *store) start(sweepInterval time.Duration) {
	s.keys = newKeyLocks()
	s.gate = newGate()
	s.closed = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	s.background = cancel
	s.quota.reclaim = s.sweep
	s.work.Go(func() { s.sweepEvery(ctx, sweepInterval) })
}

// Capabilities implements storage.Backend.
func (s *store) Capabilities() storage.Capabilities { return s.caps }

// CheckHealth implements storage.HealthChecker.
func (s *store) CheckHealth(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.engine.probe()
}

// enter begins an operation; s.gate.leave ends it.
func (s *store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return storage.AsError(err)
	}
	if !s.gate.enter() {
		return errClosed()
	}
	return nil
}

func errClosed() error {
	return storage.Errorf(storage.CodeUnavailable, "the backend is closed")
}

// current returns the record of key that the newest ended commit left, nil if
// there is none or it expired.
func (s *store) current(ctx context.Context, key string) (*record, error) {
	r, err := s.engine.lookup(key)
	if err != nil {
		return nil, err
	}
	var position uint64
	if r != nil {
		position = r.position
	} else {
		position = s.log.pendingDelete(key)
	}
	if s.log.settled.Load() < position {
		if err := s.log.waitSettled(ctx, position); err != nil {
			return nil, storage.AsError(err)
		}
		// The commit may have failed, and with it the engine.
		if err := s.engine.health(); err != nil {
			return nil, err
		}
	}
	return r.live(s.now()), nil
}

// Close implements storage.Backend. It waits for what is being committed; if
// ctx ends first, closing goes on and a further Close waits for it.
func (s *store) Close(ctx context.Context) error {
	s.closing.Do(func() {
		empty := s.gate.shut()
		s.background()
		go s.release(empty)
	})
	select {
	case <-s.closed:
		return s.closeErr
	case <-ctx.Done():
		return storage.AsError(ctx.Err())
	}
}

// failedCloseGrace is how long a close waits for the operations of an engine
// that has failed: they may hang in it for ever.
const failedCloseGrace = 2 * time.Second

func (s *store) release(empty <-chan struct{}) {
	defer close(s.closed)
	idle := make(chan struct{})
	go func() {
		<-empty
		s.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		s.closeErr = s.engine.close(false)
		return
	case <-s.engine.failed():
	}
	grace := time.NewTimer(failedCloseGrace)
	defer grace.Stop()
	select {
	case <-idle:
		s.closeErr = s.engine.close(false)
	case <-grace.C:
		s.closeErr = s.engine.close(true)
	}
}
