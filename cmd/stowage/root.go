package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Exit codes.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitPrecondition = 4
)

// version is set by the linker, which can set nothing else.
var version = "dev"

// app is what all commands share.
type app struct {
	configPath string
	addr       string
	token      string
	json       bool
	verbose    bool
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var diags host.Diagnostics
	if errors.As(err, &diags) {
		fmt.Fprint(stderr, config.FormatDiagnostics(diags.Diagnostics))
		return exitFailed
	}
	fmt.Fprintln(stderr, "Error:", harmless(err.Error()))
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "Usage: %s\nRun '%s --help' for more.\n", cmd.UseLine(), cmd.CommandPath())
		return exitUsage
	case errors.Is(err, storage.ErrNotFound):
		return exitNotFound
	case errors.Is(err, storage.ErrFailedPrecondition):
		return exitPrecondition
	default:
		return exitFailed
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "stowage",
		Short: "A storage plugin host: every backend is a process of its own",
		Long: `Stowage finds storage plugins in a folder, runs each as its own process, and
routes reads and writes over them.

Object commands talk to a running host with --addr, or run one themselves with
--config. With neither, they use ./config.hcl if it exists, else the host at
127.0.0.1:7465. A flag is stronger than a variable of the environment, and
STOWAGE_ADDR is stronger than STOWAGE_CONFIG.

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 precondition failed.`,
		Version:           versionText(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.chooseHost(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("stowage {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", os.Getenv("STOWAGE_CONFIG"), "configuration `FILE` of a host to run in this process (environment: STOWAGE_CONFIG)")
	flags.StringVar(&a.addr, "addr", os.Getenv("STOWAGE_ADDR"), "`ADDRESS` of a running host (environment: STOWAGE_ADDR)")
	flags.StringVar(&a.token, "token-file", "", "`FILE` with the bearer token for --addr (environment: STOWAGE_TOKEN has the token itself)")
	flags.BoolVar(&a.json, "json", false, "print JSON for machines")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "show the host's log on standard error")
	root.AddCommand(
		a.serveCommand(), a.putCommand(), a.getCommand(), a.statCommand(), a.lsCommand(), a.rmCommand(), a.cpCommand(),
		a.statusCommand(), a.repairCommand(), a.pluginCommand(), a.configCommand(),
	)
	for _, c := range allCommands(root) {
		if validate := c.Args; validate != nil {
			c.Args = func(cmd *cobra.Command, args []string) error {
				if err := validate(cmd, args); err != nil {
					return usageError{err}
				}
				return nil
			}
		}
	}
	return root
}

func allCommands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, allCommands(sub)...)
	}
	return all
}

func versionText() string {
	text := version
	if info, ok := debug.ReadBuildInfo(); ok {
		text += " (" + strings.TrimSpace(info.GoVersion) + ")"
	}
	return text
}
