// Bench measures what the way from an agent to a backend costs: get and put of
// values of several sizes, by one caller and by many, through a host whose
// plugin is linked in, through a host whose plugin is a process of its own, and
// beside them a stock go-plugin service. Then what policies cost over a bare
// child. It prints tables with the ratios and writes the figures to a file.
//
// The contestants take turns within each round, so that what else happens on
// the machine falls on all of them, and ratios are taken within a round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/bench/stock"
)

// asStock makes this binary the stock plugin.
const asStock = "serve-stock-plugin"

func main() {
	if len(os.Args) == 2 && os.Args[1] == asStock {
		stock.Serve()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	plugins := flag.String("plugins", "bin/plugins", "the `DIRECTORY` with stowage-plugin-local")
	rounds := flag.Int("rounds", 7, "`NUMBER` of rounds, at least 5")
	turn := flag.Duration("turn", 400*time.Millisecond, "how long each contestant is measured in a round")
	out := flag.String("o", "bench/latest.json", "the `FILE` the figures are written to")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 5 || *turn < time.Millisecond {
		return errors.New("wrong arguments: -rounds is at least 5, -turn at least 1ms, and nothing follows the flags")
	}
	dir, err := filepath.Abs(*plugins)
	if err != nil {
		return err
	}
	begin := time.Now()
	results, err := measureAll(ctx, dir, cases(), *rounds, *turn, os.Stderr)
	if err != nil {
		return err
	}
	costs, err := measurePolicies(ctx, *rounds, *turn)
	if err != nil {
		return err
	}
	quorum, err := measureQuorum(ctx, *rounds)
	if err != nil {
		return err
	}
	env := describeEnvironment(begin, *rounds, *turn)
	printTable(os.Stdout, env, results)
	printPolicies(os.Stdout, costs, quorum)
	figures := figuresOf(results)
	addPolicies(figures, costs, quorum)
	return writeFigures(*out, env, figures)
}
