package event

import "time"

// ProcessInfo describes a plugin process after a change of its state.
type ProcessInfo struct {
	Plugin string
	// PID is 0 when there is no process.
	PID int
	// Generation counts the launches of the plugin from 1.
	Generation uint64
	// State is the supervisor's name for it: "starting", "ready", "backoff",
	// "quarantined", "draining", "stopped".
	State string
	// Reason says why the process came into this state, if it was a failure.
	Reason string
	// Restarts counts the launches after the first.
	Restarts int
}

// BackendInfo describes a backend after a change.
type BackendInfo struct {
	Backend string
	Plugin  string
	// Generation of the backend in the registry, from 1 on.
	Generation uint64
	// Serving tells whether requests reach it; Reason says why not.
	Serving bool
	Reason  string
}

// DrainInfo describes the end of a retired generation.
type DrainInfo struct {
	Backend    string
	Generation uint64
	// Duration from the retirement to the return of the last lease.
	Duration time.Duration
	// Leases that were still held when the time ran out; 0 after a full drain.
	Leases int
}

// ConfigInfo describes an attempt to load a configuration.
type ConfigInfo struct {
	Path string
	// Changed names what was added, removed or replaced, such as
	// "backend.disk".
	Changed []string
	// Err is why the configuration was refused; what ran goes on.
	Err error
}
