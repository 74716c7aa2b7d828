package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/supervisor"
	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk"
)

// Times of opening a backend.
const (
	openTimeout      = 30 * time.Second
	openRetryFirst   = time.Second
	openRetryLongest = 30 * time.Second
	// restartHint is when to try again after a process ended: it starts again
	// after about that time, unless it keeps failing.
	restartHint = 200 * time.Millisecond
)

// unit is one running instance of a plugin, in a process or linked in, with the
// backends it serves.
type unit struct {
	name    string // the plugin's, followed by "/backend" if the process is dedicated
	source  *source
	process *supervisor.Process // nil: linked in
	linked  wire.Plugin         // if linked in

	manager *Manager

	mu       sync.Mutex
	backends []*backend
	now      *instance // nil while none is up
	stopped  bool
}

// instance is the plugin from one start to its end.
type instance struct {
	plugin wire.Plugin
	life   context.Context //nolint:containedctx // that of the instance, in which backends are opened
	end    context.CancelFunc
}

// newUnit prepares an instance of src.
func (m *Manager) newUnit(name string, src *source, launch config.Plugin) (*unit, error) {
	u := &unit{name: name, source: src, manager: m}
	if src.binary == nil {
		linked, err := sdk.InProcess(src.plugin, slog.New(m.slogHandler(src.name)))
		u.linked = linked
		return u, err
	}
	opts := m.processOptions(launch)
	opts.OnUp = func(_ context.Context, client *wire.Client, _ uint64) error {
		u.up(client)
		return nil
	}
	opts.OnDown = func(_ uint64, reason string) { u.down(reason) }
	u.process = supervisor.New(supervisor.Spec{
		Name: name, Path: src.binary.Path, Digest: src.binary.Digest, PassEnv: launch.Env,
	}, opts)
	return u, nil
}

// start starts the instance and returns the result of the first launch; a
// process that failed is tried again by its supervisor.
func (u *unit) start(ctx context.Context) error {
	if u.process == nil {
		u.up(u.linked)
		return nil
	}
	return u.process.Start(ctx)
}

// plugin returns the instance that is up.
func (u *unit) plugin() (wire.Plugin, error) {
	u.mu.Lock()
	now := u.now
	u.mu.Unlock()
	if now != nil {
		return now.plugin, nil
	}
	if u.process == nil {
		return nil, errors.New("the plugin was stopped")
	}
	_, _, err := u.process.Client()
	return nil, cmp.Or(err, errors.New("the plugin is starting"))
}

// up begins to open the backends on a new instance. It does not wait: a backend
// that is slow to open, or cannot be opened, does not fail the instance, which
// may serve others.
func (u *unit) up(plugin wire.Plugin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return
	}
	if u.now != nil {
		u.now.end()
	}
	life, end := context.WithCancel(u.manager.life)
	u.now = &instance{plugin, life, end}
	for _, b := range u.backends {
		u.keepOpening(u.now, b)
	}
}

// serve adds a backend. If the instance is up it waits for the first attempt to
// open the backend, as long as ctx allows.
func (u *unit) serve(ctx context.Context, b *backend) {
	_, why := u.plugin()
	u.mu.Lock()
	u.backends = append(u.backends, b)
	var first <-chan struct{}
	if u.now != nil {
		first = u.keepOpening(u.now, b)
	} else {
		b.fail(fmt.Sprintf("its plugin does not run: %v", cmp.Or(why, errors.New("it has just ended"))), restartHint)
	}
	u.mu.Unlock()
	if first == nil {
		b.announce()
		return
	}
	select {
	case <-first:
	case <-ctx.Done():
	}
}

// drop ends to open b. Once it has returned the instance does nothing to b any
// more.
func (u *unit) drop(b *backend) {
	b.end()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.backends = slices.DeleteFunc(slices.Clone(u.backends), func(other *backend) bool { return other == b })
}

func (u *unit) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.backends) == 0
}

// down takes the backends out of service: their process is ending.
func (u *unit) down(reason string) {
	u.mu.Lock()
	if u.now != nil {
		u.now.end()
		u.now = nil
	}
	backends := slices.Clone(u.backends)
	for _, b := range backends {
		b.fail(fmt.Sprintf("its plugin %s ended: %s", u.name, reason), restartHint)
	}
	u.mu.Unlock()
	for _, b := range backends {
		b.announce()
	}
}

// keepOpening opens b in the background, again and again until it succeeds or
// the instance ends. The channel is closed after the first attempt. u.mu is
// held.
func (u *unit) keepOpening(on *instance, b *backend) <-chan struct{} {
	first := make(chan struct{})
	u.manager.work.Go(func() {
		open := u.openOnce(on, b, openRetryFirst)
		close(first)
		for wait := openRetryFirst; !open; {
			timer := time.NewTimer(wait/2 + rand.N(wait/2)) //nolint:gosec // jitter needs no secrecy
			select {
			case <-on.life.Done():
				timer.Stop()
				return
			case <-b.life.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			wait = min(2*wait, openRetryLongest)
			open = u.openOnce(on, b, wait)
		}
	})
	return first
}

// openOnce opens b and swaps it in, or fails it with the reason and the time of
// the next attempt. It does neither when the instance is no longer the one that
// is up, or no longer serves b.
func (u *unit) openOnce(on *instance, b *backend, wait time.Duration) (open bool) {
	ctx, cancel := context.WithTimeout(on.life, openTimeout)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	store, err := b.open(ctx, on.plugin)
	u.mu.Lock()
	current := u.now == on && slices.Contains(u.backends, b)
	switch {
	case !current:
	case err != nil:
		b.fail(err.Error(), wait)
	default:
		b.serve(store)
	}
	u.mu.Unlock()
	switch {
	case current && err != nil:
		u.manager.log.Error("a backend cannot be opened", "backend", b.name, "plugin", u.name, "error", err, "next_attempt_in", wait.String())
	case !current && err == nil:
		u.manager.closeStore(ctx, b.name, store)
	}
	if current {
		b.announce()
	}
	return err == nil
}

// stop takes the backends out of service, drains and closes them, and ends the
// process.
func (u *unit) stop(ctx context.Context) error {
	u.mu.Lock()
	u.stopped = true
	if u.now != nil {
		u.now.end()
		u.now = nil
	}
	backends := u.backends
	u.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range backends {
		wg.Go(func() { b.retire(ctx, "the host is shutting down") })
	}
	wg.Wait()
	if u.process != nil {
		return u.process.Stop(ctx)
	}
	return u.linked.Shutdown(context.WithoutCancel(ctx), wire.DefaultShutdownGrace)
}
