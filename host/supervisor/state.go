package supervisor

import (
	"fmt"
	"time"
)

// State is where a plugin process is in its life.
type State int

const (
	// Discovered: known but never started.
	Discovered State = iota
	// Starting: being launched, up to the return of Options.OnUp.
	Starting
	// Ready: serving.
	Ready
	// Backoff: it failed and is started again at Status.NextAttempt.
	Backoff
	// Quarantined: it failed too often, and one attempt is made at Status.NextAttempt; or it cannot work at all (not
	// trusted, no Stowage plugin, another protocol), and NextAttempt is zero: it is not tried again.
	Quarantined
	// Draining: it was asked to stop and finishes its work.
	Draining
	// Stopped: for good.
	Stopped
)

// String returns the name in lower case.
func (s State) String() string {
	names := [...]string{"discovered", "starting", "ready", "backoff", "quarantined", "draining", "stopped"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("state(%d)", int(s))
	}
	return names[s]
}

// Status is a snapshot of a plugin process.
type Status struct {
	Name        string
	State       State
	PID         int       // 0 when there is no process
	Generation  uint64    // of the current or last launch; counts from 1
	StartedAt   time.Time // when the current process became ready; zero when none is
	Restarts    int       // launches after the first
	LastReason  string    // why the last process failed or could not be started; empty: never
	LastFailure time.Time // when that was
	LastOutput  []string  // what the failed process wrote last: the trace of a panic, or the last lines
	NextAttempt time.Time // in Backoff and Quarantined; zero: never
}
