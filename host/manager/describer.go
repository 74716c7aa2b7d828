package manager

import (
	"context"
	"errors"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// describer tells the configuration what plugins there are and what they want.
type describer struct{ m *Manager }

func (d describer) Names() []string { return d.m.catalog.names() }

// Schema of the plugin that serves under that name.
func (d describer) Schema(_ context.Context, name string) (*schema.Schema, error) {
	launch := d.m.cfg.Plugin(name)
	src, err := d.m.catalog.choose(name, launch)
	if err != nil {
		return nil, err
	}
	return src.description.Config, nil
}

// Validate asks a running instance of the plugin.
func (d describer) Validate(ctx context.Context, name, backend string, value cty.Value) (schema.Diagnostics, error) {
	src, err := d.Schema(ctx, name)
	if err != nil {
		return nil, err
	}
	raw, err := src.MarshalValue(value)
	if err != nil {
		return nil, err
	}
	for _, unit := range []string{name, name + "/" + backend} {
		if u := d.m.unit(unit); u != nil {
			plugin, err := u.plugin()
			if err != nil {
				return nil, err
			}
			return plugin.Validate(ctx, backend, raw)
		}
	}
	return nil, errors.New("the plugin does not run")
}

// Schema describes the configuration of a plugin, once the folders have been
// scanned.
func (m *Manager) Schema(name string) (*schema.Schema, error) {
	if m.currentCatalog() == nil {
		return nil, errors.New("the plugins have not been looked at yet")
	}
	return describer{m}.Schema(context.Background(), name)
}
