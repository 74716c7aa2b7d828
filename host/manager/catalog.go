package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/discovery"
	"github.com/p2p-ai-agents/stowage/host/supervisor"
	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk"
)

// describeParallel is how many binaries are launched at once to be described.
const describeParallel = 4

// catalog is everything that could serve as a plugin: what the folders hold,
// described, and what is linked into the host.
type catalog struct {
	scan      discovery.Result
	described []discovery.Described
	details   map[string]*wire.Description // by path
	failed    []Quarantined
	builtins  map[string]builtin
}

type builtin struct {
	plugin      sdk.Plugin
	description *wire.Description
}

// Quarantined is a binary that does not serve, and why.
type Quarantined struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// buildCatalog scans the folders and describes every candidate. A binary whose
// description is kept from an earlier time is not launched.
func (m *Manager) buildCatalog(ctx context.Context) (*catalog, error) {
	c := &catalog{details: make(map[string]*wire.Description), builtins: make(map[string]builtin)}
	for _, p := range m.opts.Builtins {
		inner, err := sdk.InProcess(p, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		d, err := inner.Describe(ctx)
		if err != nil {
			return nil, err
		}
		c.builtins[p.Name] = builtin{p, d}
	}
	var err error
	if c.scan, err = m.scanner.Scan(ctx); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(describeParallel)
	for _, candidate := range c.scan.Candidates {
		group.Go(func() error {
			description, err := m.describe(ctx, candidate)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				c.failed = append(c.failed, Quarantined{candidate.Path, err.Error()})
				return nil
			}
			c.details[candidate.Path] = description
			c.described = append(c.described, discovery.Described{
				Candidate: candidate, PluginName: description.Name, PluginVersion: description.Version,
			})
			return nil
		})
	}
	_ = group.Wait() // what is wrong with a candidate stands in failed
	slices.SortFunc(c.failed, func(a, b Quarantined) int { return strings.Compare(a.Path, b.Path) })
	return c, ctx.Err()
}

// describe returns what a binary says of itself, launching it only if its bytes
// were never seen before.
func (m *Manager) describe(ctx context.Context, c discovery.Candidate) (*wire.Description, error) {
	if c.Err != nil {
		return nil, c.Err
	}
	cached := filepath.Join(m.cfg.Host.DataDir, "descriptions", c.Digest.String())
	if raw, err := os.ReadFile(cached); err == nil {
		if d, err := wire.UnmarshalDescription(raw); err == nil {
			return d, checkIdentity(c, d)
		}
	}
	process := supervisor.New(supervisor.Spec{Name: c.Name, Path: c.Path, Digest: c.Digest, PassEnv: m.cfg.Plugin(c.Name).Env}, m.processOptions(m.cfg.Plugin(c.Name)))
	defer func() { _ = process.Stop(context.WithoutCancel(ctx)) }()
	if err := process.Start(ctx); err != nil {
		return nil, err
	}
	client, _, err := process.Client()
	if err != nil {
		return nil, err
	}
	d, err := client.Describe(ctx)
	if err != nil {
		return nil, err
	}
	if raw, err := wire.MarshalDescription(d); err == nil {
		if err := errors.Join(os.MkdirAll(filepath.Dir(cached), 0o700), renameio.WriteFile(cached, raw, 0o600)); err != nil {
			m.log.Warn("a plugin's description could not be kept", "plugin", d.Name, "error", err)
		}
	}
	return d, checkIdentity(c, d)
}

func checkIdentity(c discovery.Candidate, d *wire.Description) error {
	if d.ProtocolMin > wire.ProtocolVersion || d.ProtocolMax < wire.ProtocolVersion {
		return fmt.Errorf("it speaks protocol versions %d to %d; this host speaks %d", d.ProtocolMin, d.ProtocolMax, wire.ProtocolVersion)
	}
	return discovery.CheckIdentity(discovery.Described{Candidate: c, PluginName: d.Name, PluginVersion: d.Version})
}

// source is where a plugin comes from: a binary or the host itself.
type source struct {
	name        string
	binary      *discovery.Described // nil: linked into the host
	plugin      sdk.Plugin           // if linked into the host
	description *wire.Description
}

// choose decides what serves as plugin name: the best binary of the folders, or
// what is linked in, as the launch settings allow.
func (c *catalog) choose(name string, launch config.Plugin) (*source, error) {
	var binaries []discovery.Described
	for _, d := range c.described {
		if d.PluginName == name {
			binaries = append(binaries, d)
		}
	}
	if launch.Transport != config.TransportBuiltin && len(binaries) > 0 {
		chosen, others, ok, err := discovery.Choose(binaries, launch.Version)
		if err != nil {
			return nil, err
		}
		if ok {
			return &source{name: name, binary: &chosen, description: c.details[chosen.Path]}, nil
		}
		if launch.Transport == config.TransportChild {
			return nil, fmt.Errorf("no binary of plugin %q serves: %s", name, others[0].Reason)
		}
	}
	b, linked := c.builtins[name]
	switch {
	case linked && launch.Transport != config.TransportChild:
		return &source{name: name, plugin: b.plugin, description: b.description}, nil
	case c.quarantineOf(name) != "":
		return nil, errors.New(c.quarantineOf(name))
	default:
		return nil, fmt.Errorf("%w: no folder holds %q", config.ErrUnknownPlugin, discovery.Prefix+name)
	}
}

// quarantineOf says why a binary named like the plugin does not count; empty if
// there is none.
func (c *catalog) quarantineOf(name string) string {
	for _, q := range c.failed {
		if base := filepath.Base(q.Path); base == discovery.Prefix+name || strings.HasPrefix(base, discovery.Prefix+name+"_") {
			return fmt.Sprintf("%s is quarantined: %s", q.Path, q.Reason)
		}
	}
	return ""
}

// names of all plugins that could be configured.
func (c *catalog) names() []string {
	names := slices.Collect(maps.Keys(c.builtins))
	for _, d := range c.described {
		names = append(names, d.PluginName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
