package host

import (
	"context"

	"github.com/p2p-ai-agents/stowage/host/routing"
)

type (
	// RepairOptions modify a repair.
	RepairOptions = routing.RepairOptions
	// RepairReport is what a repair found and did.
	RepairReport = routing.RepairReport
)

// Repair compares the copies that a policy keeps and makes them equal, while
// operations go on. A policy that is not there or keeps no copies is NotFound,
// and the error names those that can be repaired; one that is being repaired
// already is Aborted. What single keys cannot be given stands in the report,
// and is no error. When ctx ends the scan does, and the next one goes on from
// there; so does [Host.Close].
func (h *Host) Repair(ctx context.Context, policy string, opts RepairOptions) (RepairReport, error) {
	return h.manager.Repair(ctx, policy, opts)
}
