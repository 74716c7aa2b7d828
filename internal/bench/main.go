// Bench measures what the way from an agent to a backend costs: get and put of
// values of several sizes, by one caller and by many, through a host whose
// plugin is linked in, through a host whose plugin is a process of its own, and
// beside them a stock go-plugin service. Then what policies cost over a bare
// child, and what the plugin supabase costs over a plain client of the same
// project. It prints tables with the ratios and writes the figures to a file.
//
// The contestants take turns within each round, so that what else happens on
// the machine falls on all of them, and ratios are taken within a round.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/bench/stock"
)

// What this binary can be instead.
const (
	asStock   = "serve-stock-plugin"
	asProject = "serve-supabase-project"
)

// The parts of the measurement.
const (
	partTransports = "transports"
	partPolicies   = "policies"
	partSupabase   = "supabase"
)

func main() {
	if serveAsTold() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serveAsTold makes this process the one that its argument names, if it has such
// an argument, and returns at its end.
func serveAsTold() bool {
	if len(os.Args) != 2 {
		return false
	}
	switch os.Args[1] {
	case asStock:
		stock.Serve()
	case asProject:
		signal.Ignore(os.Interrupt) // it ends with the process that started it
		if err := serveProject(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	default:
		return false
	}
	return true
}

func start(ctx context.Context) error {
	var e extent
	plugins := flag.String("plugins", "bin/plugins", "the `DIRECTORY` with the plugins")
	flag.IntVar(&e.rounds, "rounds", 7, "`NUMBER` of rounds, at least 5")
	flag.DurationVar(&e.turn, "turn", 400*time.Millisecond, "how long each contestant is measured in a round")
	only := flag.String("only", "", "measure this `PART` alone: transports, policies or supabase")
	out := flag.String("o", "bench/latest.json", "the `FILE` the figures are written to")
	flag.Parse()
	if flag.NArg() > 0 || e.rounds < 5 || e.turn < time.Millisecond {
		return errors.New("wrong arguments: -rounds is at least 5, -turn at least 1ms, and nothing follows the flags")
	}
	if *only != "" && !slices.Contains([]string{partTransports, partPolicies, partSupabase}, *only) {
		return fmt.Errorf("there is no part %q to measure: it is transports, policies or supabase", *only)
	}
	dir, err := filepath.Abs(*plugins)
	if err != nil {
		return err
	}
	begin := time.Now()
	figures := make(map[string]figure)
	var tables bytes.Buffer
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{partTransports, func() error {
			results, err := measureTransports(ctx, dir, casesOf([]int{128, 4 << 10, 64 << 10, 1 << 20}, []int{1, 64}), e, os.Stderr)
			if err == nil {
				printTransports(&tables, results)
				addResults(figures, "", nameStock, results)
			}
			return err
		}},
		{partPolicies, func() error {
			costs, err := measurePolicies(ctx, e.rounds, e.turn)
			if err != nil {
				return err
			}
			quorum, err := measureQuorum(ctx, e.rounds)
			if err == nil {
				printPolicies(&tables, costs, quorum)
				addPolicies(figures, costs, quorum)
			}
			return err
		}},
		{partSupabase, func() error {
			all, err := measureSupabase(ctx, dir, distances(), e, os.Stderr)
			if err == nil {
				printSupabase(&tables, all)
				addSupabase(figures, all)
			}
			return err
		}},
	} {
		if *only != "" && *only != part.name {
			continue
		}
		if err := part.measure(); err != nil {
			return err
		}
	}
	env := describeEnvironment(begin, e)
	printEnvironment(os.Stdout, env)
	if _, err := tables.WriteTo(os.Stdout); err != nil {
		return err
	}
	return writeFigures(*out, env, figures)
}
