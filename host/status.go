package host

import (
	"time"

	"github.com/p2p-ai-agents/stowage/host/manager"
	"github.com/p2p-ai-agents/stowage/host/metrics"
)

// Status is the state of a host at a moment. It holds no secrets.
type Status struct {
	Ready bool `json:"ready"`
	// Reason says why the host is not ready.
	Reason      string                  `json:"reason,omitempty"`
	StartedAt   time.Time               `json:"started_at"`
	Config      string                  `json:"config,omitempty"`
	Plugins     []manager.PluginStatus  `json:"plugins"`
	Quarantined []manager.Quarantined   `json:"quarantined"`
	Backends    []manager.BackendStatus `json:"backends"`
	Policies    []manager.PolicyStatus  `json:"policies"`
	Routes      []manager.RouteStatus   `json:"routes"`
	Stats       metrics.Stats           `json:"stats"`
}

// Status describes plugins, backends, policies and routes, with the
// statistics.
func (h *Host) Status() Status {
	s := Status{
		Ready: true, StartedAt: h.started, Config: h.opts.ConfigPath,
		Plugins: h.manager.Plugins(), Quarantined: h.manager.Quarantined(), Backends: h.manager.Backends(),
		Policies: h.manager.Policies(), Routes: h.manager.Routes(), Stats: h.Stats(),
	}
	if err := h.Ready(); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	return s
}
