// Demo does the host's main job on real input. It copies a tree of files
// through a host into a durable backend that runs as a process of its own, kills
// that process in the middle of writing and again in the middle of reading, lets
// the supervisor bring it back, and compares the SHA-256 sum of everything that
// comes back with the source. Then it does the same with one large value and
// looks at the memory both processes took.
//
// The exit code is 0 only if every byte was the same, every kill was recovered
// from without help, and the memory stayed within its limit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	o := options{memoryLimit: 256 << 20, patience: time.Minute, log: os.Stderr}
	flag.StringVar(&o.source, "src", "", "the `DIRECTORY` to copy; default: the sources of Go's standard library")
	flag.StringVar(&o.plugins, "plugins", "bin/plugins", "the `DIRECTORY` with stowage-plugin-local")
	flag.Int64Var(&o.big, "big", 1<<30, "size of the large value in `BYTES`; 0 leaves it out")
	flag.IntVar(&o.workers, "workers", 12, "`NUMBER` of files under way at once")
	flag.Parse()
	if flag.NArg() > 0 || o.workers < 1 || o.workers > 256 || o.big < 0 {
		return fmt.Errorf("wrong arguments; -workers is 1 to 256, -big at least 0, and nothing follows the flags")
	}
	var err error
	if o.source == "" {
		if o.source, err = standardLibrary(ctx); err != nil {
			return err
		}
	}
	if o.plugins, err = filepath.Abs(o.plugins); err != nil {
		return err
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		o.bars = newBars(os.Stderr)
		o.log = o.bars
	}
	r, err := run(ctx, o)
	o.bars.wait()
	if r != nil {
		r.print(os.Stdout)
	}
	return err
}

func standardLibrary(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w; name a directory with -src", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src"), nil
}
