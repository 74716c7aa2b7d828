// Chaos torments a host that keeps three copies of everything. The host is a
// process of its own, and so is each of its three durable backends. Callers
// write, delete, read and list over HTTP while plugins are killed and stopped
// and the host is killed and started again. Every read is checked against all
// states that the key may be in at that time. Afterwards the directories of the
// backends are compared, without a host between, when the journal owes nothing
// and again after a repair, and everything is read once more.
//
// The exit code is 0 only if no acknowledged write was lost, no deleted key came
// back, no read returned what it must not, and all replicas hold the same. If
// not, the history of the key is printed, with the seed: a run with the same one
// does the same in the same order, as far as processes let themselves be timed.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := runFlags(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func runFlags(ctx context.Context) error {
	began := time.Now()
	o := options{deck: longDeck(), say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%8s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}}
	flag.StringVar(&o.binary, "stowage", "bin/stowage", "the host's `BINARY`")
	flag.StringVar(&o.plugins, "plugins", "bin/plugins", "the `DIRECTORY` with stowage-plugin-local")
	flag.DurationVar(&o.length, "for", 5*time.Minute, "how long there is load and torment")
	flag.IntVar(&o.callers, "callers", 8, "`NUMBER` of operations under way at once")
	flag.IntVar(&o.keys, "keys", 200, "`NUMBER` of keys that one caller writes at a time")
	flag.IntVar(&o.shared, "shared", 6, "`NUMBER` of keys that several callers write at a time")
	flag.Uint64Var(&o.seed, "seed", 0, "what a run's choices follow from; 0: a new one, which is printed")
	flag.StringVar(&o.dir, "dir", "", "an empty `DIRECTORY` to work in, which is left; default: one that is removed unless a promise was broken")
	flag.Parse()
	if flag.NArg() > 0 || o.callers < 1 || o.callers > 256 || o.keys < o.callers || o.shared < 1 || o.length <= 0 {
		return errors.New("wrong arguments; -callers is 1 to 256, -keys not less than that, -shared at least 1, and nothing follows the flags")
	}
	if o.seed == 0 {
		var raw [4]byte
		_, _ = rand.Read(raw[:]) // never fails
		o.seed = uint64(binary.BigEndian.Uint32(raw[:]))
	}
	var err error
	if o.plugins, err = filepath.Abs(o.plugins); err != nil {
		return err
	}
	given := o.dir != ""
	if !given {
		if o.dir, err = os.MkdirTemp("", "chaos-of-stowage-"); err != nil {
			return err
		}
	}
	o.say("seed %d, directory %s", o.seed, o.dir)
	report, err := start(ctx, o)
	if report != nil {
		report.print(os.Stdout)
		if n := len(report.violations); n > 0 {
			return fmt.Errorf("%d promises were broken; try again with -seed %d; %s has the replicas and the host's log", n, o.seed, o.dir)
		}
	}
	if !given {
		err = errors.Join(err, os.RemoveAll(o.dir))
	}
	return err
}
