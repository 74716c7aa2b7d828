package manager

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/registry"
)

// PluginStatus is what is known of a plugin or of one of its binaries.
type PluginStatus struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`
	// Transport is "child" or "builtin".
	Transport string `json:"transport"`
	// Path and Digest (SHA-256) of the binary, if it is one.
	Path   string `json:"path,omitempty"`
	Digest string `json:"digest,omitempty"`
	// State is that of the process: "starting", "ready", "backoff",
	// "quarantined", "draining", "stopped"; "ready" for a builtin in use;
	// "available" for what no backend uses, and "superseded" for a binary that
	// another one of the same plugin is preferred to.
	State string `json:"state"`
	// Processes run the plugin.
	Processes []ProcessStatus `json:"processes,omitempty"`
	// Reason says why it does not serve.
	Reason string `json:"reason,omitempty"`
}

// ProcessStatus is what is known of a plugin process.
type ProcessStatus struct {
	Name       string    `json:"name"`
	State      string    `json:"state"`
	PID        int       `json:"pid,omitempty"`
	Generation uint64    `json:"generation"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	Restarts   int       `json:"restarts"`
	LastReason string    `json:"last_reason,omitempty"`
	LastOutput []string  `json:"last_output,omitempty"`
}

// BackendStatus is what is known of a backend.
type BackendStatus struct {
	Name     string `json:"name"`
	Plugin   string `json:"plugin"`
	Version  string `json:"version,omitempty"`
	Enabled  bool   `json:"enabled"`
	Priority int    `json:"priority"`
	// State is "serving", "down", "disabled" or "starting".
	State string `json:"state"`
	// Reason says why it does not serve.
	Reason string `json:"reason,omitempty"`
	// Generation counts how often it was opened.
	Generation uint64 `json:"generation,omitempty"`
	// Leases are operations under way.
	Leases  int    `json:"leases"`
	Breaker string `json:"breaker,omitempty"`
}

// PolicyStatus is what is known of a policy.
type PolicyStatus struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Children []string `json:"children"`
	// Backlogs are what the policy owes its children; absent for a policy that
	// keeps no account.
	Backlogs []journal.Backlog `json:"backlogs,omitempty"`
}

// RouteStatus is one route.
type RouteStatus struct {
	Prefix string `json:"prefix"`
	To     string `json:"to"`
}

// Quarantined and skipped files of the plugin folders, and folders that could
// not be read.
func (m *Manager) Quarantined() []Quarantined {
	c := m.currentCatalog()
	if c == nil {
		return nil
	}
	out := append([]Quarantined{}, c.failed...)
	for _, s := range c.scan.Skipped {
		out = append(out, Quarantined{s.Path, s.Reason})
	}
	for _, f := range c.scan.Folders {
		if f.Err != nil {
			out = append(out, Quarantined{f.Dir, f.Err.Error()})
		}
	}
	return out
}

func (m *Manager) currentCatalog() *catalog {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog
}

// Plugins lists all plugins by name: linked in, and binaries described.
func (m *Manager) Plugins() []PluginStatus {
	c := m.currentCatalog()
	if c == nil {
		return nil
	}
	running := m.running()
	var out []PluginStatus
	for _, name := range c.names() {
		if b, linked := c.builtins[name]; linked {
			status := PluginStatus{Name: name, Version: b.description.Version, Description: b.description.Description, Transport: "builtin", State: "available"}
			for _, u := range running {
				if u.source.name == name && u.process == nil {
					status.State = "ready"
				}
			}
			out = append(out, status)
		}
		for _, d := range c.described {
			if d.PluginName != name {
				continue
			}
			status := PluginStatus{
				Name: name, Version: d.PluginVersion, Description: c.details[d.Path].Description, Transport: "child",
				Path: d.Path, Digest: d.Digest.String(), State: "available",
			}
			launch := m.cfg.Plugin(name)
			switch src, err := c.choose(name, launch); {
			case err != nil:
				status.State, status.Reason = "superseded", err.Error()
			case src.binary == nil:
				status.State, status.Reason = "superseded", `the configuration chooses the builtin: transport = "builtin"`
			case src.binary.Path != d.Path:
				status.State, status.Reason = "superseded", "version "+src.binary.PluginVersion+" in "+filepath.Dir(src.binary.Path)+" is preferred"
			}
			for _, u := range running {
				if u.process != nil && u.source.binary.Path == d.Path {
					p := u.processStatus()
					status.Processes = append(status.Processes, p)
					status.State, status.Reason = p.State, p.LastReason
				}
			}
			out = append(out, status)
		}
	}
	return out
}

func (m *Manager) running() []*unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	units := make([]*unit, 0, len(m.units))
	for _, u := range m.units {
		units = append(units, u)
	}
	slices.SortFunc(units, func(a, b *unit) int { return strings.Compare(a.name, b.name) })
	return units
}

func (u *unit) processStatus() ProcessStatus {
	s := u.process.Status()
	return ProcessStatus{
		Name: s.Name, State: s.State.String(), PID: s.PID, Generation: s.Generation, StartedAt: s.StartedAt,
		Restarts: s.Restarts, LastReason: s.LastReason, LastOutput: s.LastOutput,
	}
}

// Backends lists all backends: those of the configuration in its order, then
// those that were added since.
func (m *Manager) Backends() []BackendStatus {
	known := make(map[string]registry.Status)
	for _, s := range m.registry.Status() {
		known[s.Name] = s
	}
	m.mu.Lock()
	open := slices.Clone(m.backends)
	all := slices.Clone(m.known)
	m.mu.Unlock()
	out := make([]BackendStatus, 0, len(all))
	for _, b := range all {
		status := BackendStatus{Name: b.Name, Plugin: b.Plugin, Enabled: b.Enabled, Priority: b.Priority, State: "disabled"}
		if b.Enabled {
			status.State = "starting"
		}
		if r, ok := known[b.Name]; ok {
			status.State, status.Reason, status.Leases = "down", r.Reason, r.Leases
			if r.Generation != 0 {
				status.State, status.Generation, status.Version = "serving", r.Generation, r.Meta.Version
			}
		}
		for _, o := range open {
			if o.name == b.Name {
				status.Breaker = o.breaker.State().State.String()
			}
		}
		out = append(out, status)
	}
	return out
}

// Policies lists the policies in the order of the configuration; none before
// they were built.
func (m *Manager) Policies() []PolicyStatus {
	if m.Store() == nil {
		return nil
	}
	backlogs := m.Backlogs()
	out := make([]PolicyStatus, 0, len(m.cfg.Policies))
	for _, p := range m.cfg.Policies {
		out = append(out, PolicyStatus{Kind: p.Kind, Name: p.Name, Children: p.Refs, Backlogs: backlogs[p.Name]})
	}
	return out
}

// Routes lists the routes in the order of the configuration.
func (m *Manager) Routes() []RouteStatus {
	out := make([]RouteStatus, 0, len(m.cfg.Routes))
	for _, r := range m.cfg.Routes {
		out = append(out, RouteStatus{r.Prefix, r.To})
	}
	return out
}
