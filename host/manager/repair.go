package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Repair makes the copies that a policy keeps equal; see [routing.Repairer]. A
// policy that is not there or keeps no copies is NotFound, and one that is
// being repaired already Aborted. Stop ends it.
func (m *Manager) Repair(ctx context.Context, name string, opts routing.RepairOptions) (routing.RepairReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	repairer, err := m.enterRepair(name)
	if err != nil {
		return routing.RepairReport{}, storage.Annotate(err, "repair", "")
	}
	defer m.leaveRepair(name)
	report, err := repairer.Repair(ctx, opts)
	if err != nil && m.life.Err() != nil {
		err = storage.Errorf(storage.CodeUnavailable, "the host is shutting down; the next repair goes on where this one ended: %w", err)
	}
	return report, storage.Annotate(err, "repair", "")
}

func (m *Manager) enterRepair(name string) (routing.Repairer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.stopping:
		return nil, storage.Errorf(storage.CodeUnavailable, "the host is shutting down")
	case m.store == nil:
		return nil, storage.Errorf(storage.CodeUnavailable, "the host is starting")
	}
	var known []string
	exists := false
	for _, p := range m.policies {
		repairer, ok := p.store.(routing.Repairer)
		if ok {
			known = append(known, p.config.Name)
		}
		if p.config.Name != name {
			continue
		}
		exists = true
		if !ok {
			continue
		}
		if m.repairing[name] {
			return nil, storage.Errorf(storage.CodeAborted, "policy %q is being repaired already; one repair at a time", name)
		}
		m.repairing[name] = true
		m.repairs.Add(1)
		return repairer, nil
	}
	wrong := fmt.Sprintf("there is no policy %q", name)
	if exists {
		wrong = fmt.Sprintf("policy %q keeps no copies that could be repaired", name)
	}
	if len(known) == 0 {
		return nil, storage.Errorf(storage.CodeNotFound, "%s; no policy of this host can be repaired", wrong)
	}
	slices.Sort(known)
	return nil, storage.Errorf(storage.CodeNotFound, "%s; those that can be repaired: %s", wrong, strings.Join(known, ", "))
}

func (m *Manager) leaveRepair(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.repairing, name)
	m.repairs.Done()
}

// endRepairs waits for the end of repairs, which Stop has canceled, and lets none
// begin any more.
func (m *Manager) endRepairs() {
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	m.repairs.Wait()
}
