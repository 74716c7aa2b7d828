package supervisor

import (
	"math/rand/v2"
	"time"
)

// restartPolicy decides when a failed plugin is started again. It is used by one goroutine and told the time.
type restartPolicy struct {
	opts   Options
	jitter func() float64 // in [0, 1); nil: random

	attempt  int         // failures since the process was last healthy for Options.HealthyAfter
	failures []time.Time // within the crash window, oldest first
	halfOpen bool        // the one attempt after a quarantine is under way
}

// failed records a failure after the process had been ready for uptime (0: it never was), and returns how long to wait
// and whether that is a quarantine.
func (p *restartPolicy) failed(now time.Time, uptime time.Duration) (wait time.Duration, quarantine bool) {
	if uptime >= p.opts.HealthyAfter {
		p.attempt, p.failures, p.halfOpen = 0, nil, false
	}
	for len(p.failures) > 0 && now.Sub(p.failures[0]) >= p.opts.CrashWindow {
		p.failures = p.failures[1:]
	}
	p.failures = append(p.failures, now)
	if p.halfOpen || len(p.failures) >= p.opts.CrashLimit {
		p.attempt, p.failures, p.halfOpen = 0, nil, true
		return p.opts.Cooldown, true
	}
	wait = p.opts.BackoffMax
	if p.attempt < 30 {
		wait = min(wait, p.opts.BackoffMin<<p.attempt)
	}
	p.attempt++
	return p.jittered(wait), false
}

// jittered spreads the waits of several plugins over the upper half: d/2 to d, but never under the minimum.
func (p *restartPolicy) jittered(d time.Duration) time.Duration {
	random := rand.Float64
	if p.jitter != nil {
		random = p.jitter
	}
	return max(p.opts.BackoffMin, d/2+time.Duration(random()*float64(d/2)))
}
