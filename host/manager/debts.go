package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/host/routing"
)

// policyEnv makes what policies are built with. The journal is opened if one of
// the configured policies needs it.
func (m *Manager) policyEnv() (routing.Env, error) {
	env := routing.Env{Listener: m.listener, Clock: routing.NewClock(), Planners: m.opts.Planners}
	if len(m.cfg.Policies) == 0 {
		return env, nil
	}
	dataDir := m.cfg.Host.DataDir
	if m.needsJournal() {
		j, err := journal.Open(filepath.Join(dataDir, "journal"), journal.Options{Logger: slog.New(m.slogHandler("journal"))})
		if err != nil {
			return env, fmt.Errorf("data_dir %s: the journal of the policies cannot be opened; each host needs a data_dir of its own: %w", dataDir, err)
		}
		env.Journal = j
		m.mu.Lock()
		m.journal = j
		m.mu.Unlock()
	}
	env.SpoolDir = filepath.Join(dataDir, "spool")
	if err := emptySpool(env.SpoolDir); err != nil {
		return env, fmt.Errorf("data_dir %s: %w", dataDir, err)
	}
	return env, nil
}

func (m *Manager) needsJournal() bool {
	return slices.ContainsFunc(m.kinds, func(k routing.Kind) bool {
		return k.Journal && slices.ContainsFunc(m.cfg.Policies, func(p *config.Policy) bool { return p.Kind == k.Name })
	})
}

// emptySpool makes the directory where large values wait, and removes what a
// host that was killed has left there.
func emptySpool(dir string) error {
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil { //nolint:gosec // its owner must be able to enter it
		return err
	}
	left, err := filepath.Glob(filepath.Join(dir, "spool-*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Backlogs tells, by policy, what those that keep an account of it owe their
// children.
func (m *Manager) Backlogs() map[string][]journal.Backlog {
	out := make(map[string][]journal.Backlog)
	for _, p := range m.builtPolicies() {
		if r, ok := p.store.(routing.Reporter); ok {
			out[p.config.Name] = r.Backlogs()
		}
	}
	return out
}
