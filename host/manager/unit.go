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
	current  wire.Plugin     // nil while none serves
	life     context.Context //nolint:containedctx // that of the instance, for opening backends again
	end      context.CancelFunc
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
	opts.OnUp = func(ctx context.Context, client *wire.Client, _ uint64) error {
		u.up(ctx, client)
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
		u.up(ctx, u.linked)
		return nil
	}
	return u.process.Start(ctx)
}

// plugin returns the instance that is up.
func (u *unit) plugin() (wire.Plugin, error) {
	u.mu.Lock()
	current := u.current
	u.mu.Unlock()
	if current != nil {
		return current, nil
	}
	_, _, err := u.process.Client()
	return nil, cmp.Or(err, errors.New("the plugin is starting"))
}

// up opens the backends on a new instance. A backend that cannot be opened does
// not fail the instance, which may serve others.
func (u *unit) up(ctx context.Context, plugin wire.Plugin) {
	u.mu.Lock()
	u.current = plugin
	u.life, u.end = context.WithCancel(u.manager.life)
	life, backends := u.life, slices.Clone(u.backends)
	u.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range backends {
		wg.Go(func() { u.open(ctx, life, plugin, b) })
	}
	wg.Wait()
}

// serve adds a backend, and opens it if the instance is up.
func (u *unit) serve(ctx context.Context, b *backend) {
	u.mu.Lock()
	u.backends = append(u.backends, b)
	current, life := u.current, u.life
	u.mu.Unlock()
	if current != nil {
		u.open(ctx, life, current, b)
	}
}

// down takes the backends out of service: their process is ending.
func (u *unit) down(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current == nil {
		return
	}
	u.current = nil
	u.end()
	for _, b := range u.backends {
		b.fail(fmt.Sprintf("its plugin %s ended: %s", u.name, reason), restartHint)
	}
}

// open opens b on plugin, now and, if that fails, again and again until it
// succeeds or the instance's life ends.
func (u *unit) open(ctx, life context.Context, plugin wire.Plugin, b *backend) {
	wait := openRetryFirst
	err := u.openOnce(ctx, life, plugin, b, wait)
	if err == nil {
		return
	}
	u.manager.work.Go(func() {
		for err != nil {
			timer := time.NewTimer(wait/2 + rand.N(wait/2)) //nolint:gosec // jitter needs no secrecy
			select {
			case <-life.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			wait = min(2*wait, openRetryLongest)
			err = u.openOnce(life, life, plugin, b, wait)
		}
	})
}

// openOnce opens b and swaps it in, or fails it with the reason and the time of
// the next attempt.
func (u *unit) openOnce(ctx, life context.Context, plugin wire.Plugin, b *backend, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	store, err := b.open(ctx, plugin)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case life.Err() != nil:
		if err == nil && u.process == nil {
			err = store.Close(context.WithoutCancel(ctx))
		}
		return err
	case err != nil:
		u.manager.log.Error("a backend cannot be opened", "backend", b.name, "plugin", u.name, "error", err, "next_attempt_in", wait)
		b.fail(err.Error(), wait)
		return err
	}
	b.serve(store)
	return nil
}

// stop takes the backends out of service, drains and closes them, and ends the
// process.
func (u *unit) stop(ctx context.Context) error {
	u.mu.Lock()
	if u.end != nil {
		u.end()
	}
	backends := u.backends
	u.backends, u.current = nil, nil
	u.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range backends {
		wg.Go(func() { b.retire(ctx) })
	}
	wg.Wait()
	if u.process != nil {
		return u.process.Stop(ctx)
	}
	return u.linked.Shutdown(ctx, wire.DefaultShutdownGrace)
}
