package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
)

func (a *app) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Look at the plugins of a configuration", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.pluginListCommand(), a.pluginInspectCommand())
	return cmd
}

// inspected returns a host that has looked at its plugin folders and runs
// nothing.
func (a *app) inspected(cmd *cobra.Command) (*host.Host, error) {
	if cmd.Flags().Changed("addr") {
		return nil, usagef("this command looks at plugin folders itself: give --config instead of --addr; 'stowage status' shows the plugins of a running host")
	}
	h, err := a.newHost(a.logger())
	if err != nil {
		return nil, err
	}
	return h, h.Inspect(cmd.Context())
}

func (a *app) pluginListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List plugins, and files that are none, with the reason",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.inspected(cmd)
			if err != nil {
				return err
			}
			status := h.Status()
			if a.json {
				return a.printJSON(map[string]any{"plugins": orEmpty(status.Plugins), "quarantined": orEmpty(status.Quarantined)})
			}
			a.printPlugins(status)
			return nil
		},
	}
}

// orEmpty makes [] of what JSON would show as null.
func orEmpty[T any](list []T) []T { return append([]T{}, list...) }

func (a *app) printPlugins(s host.Status) {
	t := a.table("PLUGIN", "VERSION", "TRANSPORT", "STATE", "PID", "GEN", "RESTARTS", "UPTIME", "DIGEST")
	var numbers []table.ColumnConfig
	for _, name := range []string{"PID", "GEN", "RESTARTS", "UPTIME"} {
		numbers = append(numbers, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(numbers)
	for _, p := range s.Plugins {
		digest := p.Digest
		if len(digest) > 12 {
			digest = digest[:12]
		}
		if len(p.Processes) == 0 {
			t.AppendRow(table.Row{p.Name, p.Version, p.Transport, p.State, "", "", "", "", digest})
		}
		for _, process := range p.Processes {
			uptime := "-"
			if !process.StartedAt.IsZero() {
				uptime = time.Since(process.StartedAt).Round(time.Second).String()
			}
			t.AppendRow(table.Row{process.Name, p.Version, p.Transport, process.State, process.PID, process.Generation, process.Restarts, uptime, digest})
		}
	}
	t.Render()
	for _, p := range s.Plugins {
		if p.Reason != "" {
			fmt.Fprintf(a.stdout, "  %s %s: %s\n", p.Name, p.Version, harmless(p.Reason))
		}
	}
	if len(s.Quarantined) > 0 {
		fmt.Fprintln(a.stdout, "\nNot used:")
		for _, q := range s.Quarantined {
			fmt.Fprintf(a.stdout, "  %s: %s\n", printable(q.Path), harmless(q.Reason))
		}
	}
}

func (a *app) pluginInspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect NAME",
		Short: "Describe a plugin and its configuration",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.inspected(cmd)
			if err != nil {
				return err
			}
			s, err := h.PluginSchema(args[0])
			if err != nil {
				return err
			}
			found := false
			for _, p := range h.Status().Plugins {
				if p.Name != args[0] {
					continue
				}
				found = true
				if a.json {
					if err := a.printJSON(map[string]any{"plugin": p, "config": describeSchema(s)}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(a.stdout, "%s %s (%s, %s)\n%s\n", p.Name, p.Version, p.Transport, p.State, harmless(p.Description))
				if p.Path != "" {
					fmt.Fprintf(a.stdout, "path    %s\nsha256  %s\n", p.Path, p.Digest)
				}
				if p.Reason != "" {
					fmt.Fprintf(a.stdout, "reason  %s\n", harmless(p.Reason))
				}
				fmt.Fprintln(a.stdout)
			}
			if !found {
				return errors.New("the plugin is not in the list")
			}
			if !a.json {
				a.printSchema(s)
			}
			return nil
		},
	}
}
