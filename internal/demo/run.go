package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type options struct {
	source  string
	plugins string
	// big is the size of the large value in bytes; 0 leaves it out.
	big     int64
	workers int
	// memoryLimit is what each process may take at its peak, in bytes; 0 means
	// any amount.
	memoryLimit int64
	// patience is how long one file may take, a recovery included, and how
	// long the supervisor may take to bring the plugin back.
	patience time.Duration
	bars     *bars
	log      io.Writer
}

// demo is one run.
type demo struct {
	options
	host    *host.Host
	store   storage.Store
	serving chan struct{} // a backend began to serve
	report  *report

	hostRetries   atomic.Int64
	workerRetries atomic.Int64
}

// run does the whole job. The report is of what was done until the error, and
// nil if nothing was.
func run(ctx context.Context, o options) (_ *report, err error) {
	files, err := scan(o.source)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "demo-of-stowage-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config, err := writeConfig(dir, o.plugins)
	if err != nil {
		return nil, err
	}
	d := &demo{options: o, serving: make(chan struct{}, 1), report: &report{source: o.source, limit: o.memoryLimit}}
	if d.host, err = host.New(host.Options{ConfigPath: config, Listener: d.listener(), Logger: hclog.New(&hclog.LoggerOptions{
		Name: "host", Level: hclog.Warn, Output: o.log,
	})}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.host.Close(context.WithoutCancel(ctx))) }()
	if err := d.host.Start(ctx); err != nil {
		return nil, err
	}
	if err := d.host.Ready(); err != nil {
		return nil, fmt.Errorf("%w; is %s built?", err, o.plugins)
	}
	d.store = d.host.Store()

	err = d.do(ctx, files)
	d.report.hostRetries, d.report.workerRetries = d.hostRetries.Load(), d.workerRetries.Load()
	return d.report, errors.Join(err, d.report.fault())
}

func (d *demo) do(ctx context.Context, files []file) error {
	if err := d.writeTree(ctx, files); err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	if err := d.readTree(ctx, files); err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	if err := d.checkListing(ctx, files); err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	if err := d.noteMemory(&d.report.treeMemory); err != nil {
		return err
	}
	if d.big == 0 {
		return nil
	}
	if err := d.bigValue(ctx); err != nil {
		return fmt.Errorf("the large value: %w", err)
	}
	return d.noteMemory(&d.report.bigMemory)
}

// each gives the files to the workers, while the plugin is killed when half of
// them are done.
func (d *demo) each(ctx context.Context, name string, files []file, do func(context.Context, file) error) (step, error) {
	bar := d.bars.add(name, total(files))
	defer bar.end()
	begin := time.Now()
	half := make(chan struct{})
	var done atomic.Int64

	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return d.killPlugin(ctx, half) })
	work := make(chan file)
	all.Go(func() error {
		defer close(work)
		for _, f := range files {
			select {
			case work <- f:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range d.workers {
		all.Go(func() error {
			for f := range work {
				if err := d.persist(ctx, func(ctx context.Context) error { return do(ctx, f) }); err != nil {
					return err
				}
				bar.add(f.size)
				if done.Add(1) == int64(len(files)/2) {
					close(half)
				}
			}
			return nil
		})
	}
	err := all.Wait()
	return step{name, int(done.Load()), total(files), time.Since(begin)}, err
}

// persist tries an operation again, for as long as d.patience, while its error
// says that it may pass: what an agent would do that has nobody to ask.
func (d *demo) persist(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := do(ctx)
		if err == nil || !storage.AsError(err).Temporary {
			return err
		}
		timer := time.NewTimer(max(wait, storage.AsError(err).RetryAfter))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		d.workerRetries.Add(1)
	}
}

func (d *demo) listener() event.Listener {
	return event.Listener{
		Retry: func(i event.RetryInfo) {
			if !i.BudgetSpent {
				d.hostRetries.Add(1)
			}
		},
		Backend: func(i event.BackendInfo) {
			if i.Serving {
				select {
				case d.serving <- struct{}{}:
				default:
				}
			}
		},
	}
}
