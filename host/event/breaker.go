package event

import "time"

// BreakerState is the state of a circuit breaker.
type BreakerState uint8

// The states of a breaker.
const (
	// BreakerClosed: requests pass.
	BreakerClosed BreakerState = iota
	// BreakerOpen: requests are refused until some time has passed.
	BreakerOpen
	// BreakerHalfOpen: that time has passed, and single requests are let
	// through to see whether the backend is back.
	BreakerHalfOpen
)

// String returns "closed", "open" or "half-open".
func (s BreakerState) String() string {
	switch s {
	case BreakerClosed:
		return "closed"
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half-open"
	default:
		return "unknown"
	}
}

// BreakerInfo describes a circuit breaker.
type BreakerInfo struct {
	Backend string
	State   BreakerState
	// RetryAfter is how long an open breaker goes on to refuse.
	RetryAfter time.Duration
	// Err is the failure that opened the breaker last; nil if none did.
	Err error
}
