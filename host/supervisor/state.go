package supervisor

import (
	"fmt"
	"time"
)

// State is where a plugin process is in its life.
type State int

// The states.
const (
	Discovered State = iota // known but never started
	Starting                // being launched, up to the return of Options.OnUp
	Ready                   // serving
	Backoff                 // it failed and is started again at Status.NextAttempt

	// Quarantined is a plugin that failed too often or is not trusted, and is tried once at Status.NextAttempt; or one
	// that cannot work at all (no Stowage plugin, another protocol), and then NextAttempt is zero: it is not tried again.
	Quarantined

	Draining // it was asked to stop and finishes its work
	Stopped  // for good
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
