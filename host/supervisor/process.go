package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// ErrNotReady is matched by the error of Process.Client while no process is serving.
var ErrNotReady = errors.New("plugin is not ready")

// Process supervises one plugin process. Its methods are safe for concurrent use.
type Process struct {
	spec Spec
	opts Options

	first  chan error              // the result of the first launch
	giveUp chan string             // why, from GiveUp to the supervising goroutine
	halt   context.CancelCauseFunc // asks the supervising goroutine to stop
	hurry  context.CancelFunc      // asks it to skip every courtesy
	done   chan struct{}           // closed when it has stopped and nothing is left

	mu      sync.Mutex
	started bool
	client  *wire.Client // nil unless Ready
	status  Status
}

// New prepares the supervision of a plugin; nothing runs before Start.
func New(spec Spec, opts Options) *Process {
	return &Process{
		spec: spec, opts: opts.withDefaults(),
		first:  make(chan error, 1),
		giveUp: make(chan string, 1),
		done:   make(chan struct{}),
		status: Status{Name: spec.Name, State: Discovered},
	}
}

// Start launches the process, waits for the result of that first launch and returns it. Unless Stop is called, the plugin
// is supervised from then on, also when the first launch failed: Status tells when it is tried again. When ctx ends
// before there is a result, everything is stopped and ctx's error returned; afterwards ctx has no meaning. A Process can
// be started once.
func (p *Process) Start(ctx context.Context) error {
	if err := check(p.spec, p.opts); err != nil {
		return err
	}
	p.mu.Lock()
	if p.started {
		p.mu.Unlock()
		return fmt.Errorf("plugin %s: was started before, or stopped", p.spec.Name)
	}
	p.started = true
	running, halt := context.WithCancelCause(context.WithoutCancel(ctx))
	patient, hurry := context.WithCancel(context.WithoutCancel(ctx))
	p.halt, p.hurry = halt, hurry
	p.mu.Unlock()

	go p.supervise(running, patient)
	select {
	case err := <-p.first:
		if err != nil {
			return fmt.Errorf("plugin %s: %w", p.spec.Name, err)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("plugin %s: %w", p.spec.Name, ctx.Err()), p.Stop(ctx))
	}
}

// Client returns the connection to the serving process and its generation. While there is none the error matches
// ErrNotReady and says why. The client must not be used after OnDown for its generation; its calls fail then.
func (p *Process) Client() (*wire.Client, uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		err := fmt.Errorf("plugin %s: %w: %v", p.spec.Name, ErrNotReady, p.status.State)
		if p.status.LastReason != "" {
			err = fmt.Errorf("%w: %s", err, p.status.LastReason)
		}
		return nil, 0, err
	}
	return p.client, p.status.Generation, nil
}

// Status returns a snapshot.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// GiveUp kills the process of that generation, as if it had failed its health checks, and lets it be started again. It
// does not wait, and does nothing when another generation is serving. reason goes to Status.
func (p *Process) GiveUp(generation uint64, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status.Generation != generation {
		return
	}
	select {
	case p.giveUp <- reason:
	default: // somebody else has given up already
	}
}

// Stop ends the supervision and the process: Shutdown with a deadline, then go-plugin's shutdown and SIGTERM, then
// SIGKILL for the process group. The caller has unrouted and drained it before. When ctx ends, the process is killed at
// once. After Stop there is no process, goroutine, file or socket left; an error means that the kernel could not end the
// process in time. Stop may be called any number of times, concurrently, and without Start. How long it can take at most
// is said at Options.ShutdownTimeout.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	if !p.started {
		p.started = true
		p.status.State = Stopped
		close(p.done)
	}
	halt, hurry := p.halt, p.hurry
	p.mu.Unlock()
	if halt == nil {
		return nil // never started
	}
	halt(errStopped)

	patience := time.NewTimer(p.opts.ShutdownTimeout + 2*p.opts.ExitTimeout)
	defer patience.Stop()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	case <-patience.C:
	}
	hurry()
	last := time.NewTimer(killWait + drainTime)
	defer last.Stop()
	select {
	case <-p.done:
		return nil
	case <-last.C:
		return fmt.Errorf("plugin %s: process %d survived SIGKILL for %v (uninterruptible sleep?)",
			p.spec.Name, p.Status().PID, killWait)
	}
}

// setStatus changes the status and tells whoever listens. Only the supervising goroutine calls it.
func (p *Process) setStatus(change func(*Status)) {
	p.mu.Lock()
	change(&p.status)
	if p.status.State != Ready {
		p.client = nil
	}
	st := p.status
	p.mu.Unlock()
	info := event.ProcessInfo{
		Plugin: st.Name, PID: st.PID, Generation: st.Generation, State: st.State.String(), Restarts: st.Restarts,
	}
	if st.State == Backoff || st.State == Quarantined {
		info.Reason = st.LastReason
	}
	p.opts.Events.Process(info)
}
