package storage

import "context"

// HealthChecker is implemented by backends that can tell whether they could
// serve now.
type HealthChecker interface {
	// CheckHealth returns nil if the backend could serve, else why not. It is
	// cheap, changes nothing, and is called every few seconds.
	CheckHealth(ctx context.Context) error
}
