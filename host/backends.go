package host

import (
	"context"

	"github.com/p2p-ai-agents/stowage/host/manager"
)

// Backend describes a backend that joins a running host; see
// [manager.NewBackend].
type Backend = manager.NewBackend

// AddBackend opens a backend while the host runs, and returns when it serves.
// After an error nothing has changed. Errors are FailedPrecondition for a name
// that is taken, InvalidArgument for a plugin that is not there or a
// configuration that is wrong, and Unavailable if it cannot be opened.
//
// Without routes in the configuration, operations go to the enabled backends by
// descending priority, also to those that were added. Beware that one of the
// highest priority becomes the one that is written to and whose NotFound counts.
// With routes nothing leads to an added backend. A single backend shows its own
// etags and list tokens, several those of the policy first_available: where the
// second comes or goes, conditions on an etag of before are not met.
//
// What was added is gone after the host was closed.
func (h *Host) AddBackend(ctx context.Context, b Backend) error { return h.manager.AddBackend(ctx, b) }

// RemoveBackend takes a backend out of service, that of the configuration or one
// that was added, and closes it; what it stores stays. Operations that use it end
// first, as long as ctx and the drain_timeout of the configuration allow. A
// backend that a policy or a route refers to, or the only one, is not removed:
// the error is FailedPrecondition and names who refers to it. One that is not
// there is NotFound.
func (h *Host) RemoveBackend(ctx context.Context, name string) error {
	if err := h.manager.RemoveBackend(ctx, name); err != nil {
		return err
	}
	h.recorder.Forget(name)
	return nil
}

// Backends lists all backends: those of the configuration in its order, then
// those that were added.
func (h *Host) Backends() []manager.BackendStatus { return h.manager.Backends() }
