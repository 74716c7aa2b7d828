package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// blockDocs is a block of a configuration, described.
type blockDocs struct {
	// Block is its type, and Kind the kind of a policy or the plugin of a config
	// block.
	Block string `json:"block"`
	Kind  string `json:"kind,omitempty"`
	schemaJSON

	heading string
	schema  *schema.Schema
}

func (a *app) configDocsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "docs [host | plugin [NAME] | backend | policy [KIND] | route]",
		Short: "Describe what a configuration may say",
		Long: `Describe the blocks of a configuration: their attributes with types, defaults
and limits. 'docs plugin NAME' describes the config block of the backends of a
plugin, which is looked for in the folders of the configuration at hand.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			blocks, err := a.describe(cmd, args)
			if err != nil {
				return err
			}
			if a.json {
				for i := range blocks {
					blocks[i].schemaJSON = describeSchema(blocks[i].schema)
				}
				return a.printJSON(map[string]any{"blocks": blocks})
			}
			for i, b := range blocks {
				if i > 0 {
					fmt.Fprintln(a.stdout)
				}
				fmt.Fprintf(a.stdout, "%s\n%s\n\n", b.heading, harmless(b.schema.Doc))
				a.printSchema(b.schema)
			}
			return nil
		},
	}
}

// describe returns the blocks that the arguments of config docs name.
func (a *app) describe(cmd *cobra.Command, args []string) ([]blockDocs, error) {
	if len(args) == 2 && args[0] == "plugin" {
		return a.pluginBlock(cmd, args[1])
	}
	all, err := allBlocks()
	if err != nil || len(args) == 0 {
		return all, err
	}
	var found []blockDocs
	var kinds []string
	for _, b := range all {
		if b.Block != args[0] {
			continue
		}
		kinds = append(kinds, b.Kind)
		if len(args) == 1 || b.Kind == args[1] {
			found = append(found, b)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(kinds) == 0:
		return nil, usagef("there is no block %q: the blocks are host, plugin, backend, policy and route", args[0])
	case args[0] == "policy":
		return nil, usagef("there is no kind of policy %q: the kinds are %s", args[1], strings.Join(kinds, ", "))
	}
	return nil, usagef("there is but one kind of %s", args[0])
}

func (a *app) pluginBlock(cmd *cobra.Command, name string) ([]blockDocs, error) {
	h, err := a.inspected(cmd)
	if err != nil {
		return nil, err
	}
	s, err := h.PluginSchema(name)
	if err != nil {
		return nil, err
	}
	return []blockDocs{{Block: "config", Kind: name, heading: fmt.Sprintf("config, of a backend with plugin = %q", name), schema: s}}, nil
}

func allBlocks() ([]blockDocs, error) {
	blocks := []blockDocs{
		{Block: "host", heading: "host"},
		{Block: "plugin", heading: `plugin "NAME"`},
		{Block: "backend", heading: `backend "NAME"`},
		{Block: "route", heading: `route "PREFIX"`},
	}
	for i, of := range []any{config.Host{}, config.Plugin{}, config.Backend{}, config.Route{}} {
		var err error
		if blocks[i].schema, err = schema.Reflect(of); err != nil {
			return nil, err
		}
	}
	options, err := host.ConfigOptions()
	for _, kind := range slices.Sorted(maps.Keys(options.Policies)) {
		blocks = append(blocks, blockDocs{Block: "policy", Kind: kind, heading: fmt.Sprintf("policy %q \"NAME\"", kind), schema: options.Policies[kind]})
	}
	return blocks, err
}
