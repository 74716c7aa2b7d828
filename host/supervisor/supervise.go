package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// supervise launches, watches and launches again until running ends. patient ends when the last process is to be killed
// rather than asked.
func (p *Process) supervise(running, patient context.Context) {
	defer close(p.done)
	defer p.hurry()
	defer p.halt(nil)
	policy := restartPolicy{opts: p.opts}
	for generation := uint64(1); ; generation++ {
		uptime, err := p.generation(running, patient, generation)
		if running.Err() != nil {
			p.report(errStopped)
			p.setStatus(func(s *Status) { s.State, s.PID, s.StartedAt, s.NextAttempt = Stopped, 0, time.Time{}, time.Time{} })
			return
		}
		p.report(err)
		if !p.pause(running, &policy, uptime, err) {
			p.setStatus(func(s *Status) { s.State, s.NextAttempt = Stopped, time.Time{} })
			return
		}
	}
}

// report hands the result of the first launch to Start; later results have nobody waiting.
func (p *Process) report(err error) {
	select {
	case p.first <- err:
	default:
	}
}

// generation runs one process from launch to end and returns how long it was ready, and why it is no more.
func (p *Process) generation(running, patient context.Context, generation uint64) (uptime time.Duration, err error) {
	p.setStatus(func(s *Status) {
		s.State, s.Generation, s.NextAttempt = Starting, generation, time.Time{}
		s.Restarts = int(generation - 1)
	})
	select {
	case <-p.giveUp: // meant for the predecessor
	default:
	}
	s, err := launch(running, p.spec, p.opts, generation)
	if err != nil {
		return 0, err
	}
	p.setStatus(func(st *Status) { st.PID = s.runner.pid() })
	if err := p.up(running, s, generation); err != nil {
		s.destroy()
		return 0, err
	}

	readyAt := time.Now()
	p.mu.Lock()
	p.client = s.client
	p.mu.Unlock()
	p.setStatus(func(st *Status) { st.State, st.StartedAt = Ready, readyAt })
	p.report(nil)
	why := p.watch(running, s)
	stopping := running.Err() != nil

	p.setStatus(func(st *Status) {
		if st.State = Draining; !stopping {
			st.State, st.StartedAt, st.LastReason = Backoff, time.Time{}, why.Error()
		}
	})
	if p.opts.OnDown != nil {
		p.opts.OnDown(generation, why.Error())
	}
	if stopping {
		s.stop(patient)
	} else {
		s.destroy()
	}
	return time.Since(readyAt), why
}

// up calls OnUp. Its context ends with the process, so that opening a backend does not wait for a dead plugin.
func (p *Process) up(running context.Context, s *session, generation uint64) error {
	if p.opts.OnUp == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(running, p.opts.OpenTimeout,
		fmt.Errorf("backends not open within %v", p.opts.OpenTimeout))
	defer cancel()
	alive, died := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-s.ended():
			died(explainExit(s.runner))
		case <-alive.Done():
		}
	}()
	err := p.opts.OnUp(alive, s.client, generation)
	cause := context.Cause(alive)
	died(nil)
	<-watching
	switch {
	case cause != nil:
		return asFailure(cause)
	case err != nil:
		return &failure{reason: err.Error(), err: err}
	}
	return nil
}

// watch returns why the process must go, or errStopped.
func (p *Process) watch(running context.Context, s *session) error {
	ctx, cancel := context.WithCancel(running)
	lost := s.disconnected(ctx)
	defer func() {
		cancel()
		<-lost
	}()
	timer := time.NewTimer(p.opts.HealthInterval)
	defer timer.Stop()
	for misses := 0; ; {
		select {
		case <-running.Done():
			return errStopped
		case <-s.ended():
			return explainExit(s.runner)
		case reason := <-p.giveUp:
			return &failure{reason: "given up: " + reason}
		case <-lost:
			if running.Err() == nil && !s.awaitEnd(running, p.opts.ExitTimeout) {
				return &failure{reason: "it closed the connection, but did not end"}
			}
			continue
		case <-timer.C:
		}
		wait := p.opts.HealthInterval
		if err := p.healthy(ctx, s); err == nil {
			misses = 0
		} else if misses++; misses >= p.opts.HealthMisses {
			return &failure{reason: fmt.Sprintf("%d health checks failed, the last with: %v", misses, err), err: err}
		} else {
			s.logger.Warn("health check failed", "misses", misses, "error", err)
			wait /= 4
		}
		timer.Reset(wait)
	}
}

func (p *Process) healthy(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.HealthTimeout)
	defer cancel()
	return s.alive(ctx)
}

// pause waits until the next attempt is due and reports whether to make it; false means that running ended.
func (p *Process) pause(running context.Context, policy *restartPolicy, uptime time.Duration, err error) bool {
	now := time.Now()
	f := asFailure(err)
	wait, broken := policy.failed(now, uptime)
	state := Backoff
	if broken || f.verdict != retry {
		state = Quarantined
	}
	if f.verdict == quarantine {
		wait = p.opts.Cooldown
	}
	next := now.Add(wait)
	if f.verdict == hopeless {
		next = time.Time{}
	}
	p.setStatus(func(s *Status) {
		s.State, s.PID, s.StartedAt = state, 0, time.Time{}
		s.LastReason, s.LastFailure, s.LastOutput, s.NextAttempt = f.reason, now, f.output, next
	})
	log := p.opts.Logger.Named(p.spec.Name)
	if next.IsZero() {
		log.Error("plugin is quarantined and not tried again", "reason", f.reason)
		<-running.Done()
		return false
	}
	log.Warn("plugin failed", "reason", f.reason, "state", state.String(), "next_attempt_in", wait.String())
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-running.Done():
		return false
	}
}

func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{reason: err.Error(), err: err}
}
