package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check configurations, and describe what they may say", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.configDocsCommand(), &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check a configuration against the plugins it names, opening nothing",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.configPath = args[0]
			}
			h, err := a.newHost(a.logger())
			if err != nil {
				return err
			}
			name := h.Config().Filename
			if name == "" {
				return usagef("there is no %s here: name the FILE to check", defaultConfig)
			}
			diags, err := h.Validate(cmd.Context())
			switch {
			case err != nil:
				return err
			case diags.HasErrors():
				return host.Diagnostics{Diagnostics: diags}
			case len(diags) > 0:
				fmt.Fprint(a.stderr, config.FormatDiagnostics(diags))
			}
			fmt.Fprintf(a.stdout, "%s is valid.\n", name)
			return nil
		},
	})
	return cmd
}
