package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/api/client"
)

func (a *app) repairCommand() *cobra.Command {
	var opts host.RepairOptions
	cmd := &cobra.Command{
		Use:   "repair POLICY",
		Short: "Compare the copies that a policy keeps and make them equal",
		Long: `Compare the copies of every key that POLICY keeps at its children, and give each
child what it lacks. Operations go on meanwhile, and a newer write always wins.
A key that was deleted is never brought back; the marks of deleted keys are
removed once all children have been scanned.

The report says per child how many keys were missing, stale (an older version),
extra (deleted, and back) or corrupt (not the bytes that were written). With
--dry-run nothing is changed.

A repair that is interrupted goes on from there the next time, unless --restart
is given. The exit code is 1 if a key could not be repaired or a child could not
be scanned to the end.`,
		Example: "  stowage repair --dry-run safe\n  stowage repair --verify --rate 200 safe",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := a.newRepairProgress()
			defer p.done()
			opts.Progress = p.show
			report, err := a.repair(cmd.Context(), args[0], opts)
			p.done()
			if report.Policy != "" {
				err = errors.Join(err, a.printRepair(report))
			}
			if err == nil {
				err = unfinished(report)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "compare only, change nothing")
	cmd.Flags().BoolVar(&opts.Restart, "restart", false, "begin with the first key, not where an interrupted repair ended")
	cmd.Flags().BoolVar(&opts.Verify, "verify", false, "also read the values and compare their SHA-256")
	cmd.Flags().Float64Var(&opts.Rate, "rate", 0, "`KEYS` per second at most; 0: 1000, negative: no limit")
	return cmd
}

// repair runs at a running host or in this process. The report has no policy if
// the repair never began.
func (a *app) repair(ctx context.Context, policy string, opts host.RepairOptions) (report host.RepairReport, err error) {
	if !a.remote() {
		err = a.withHost(ctx, func(ctx context.Context, h *host.Host) error {
			report, err = h.Repair(ctx, policy, opts)
			return err
		})
		return report, err
	}
	c, err := a.client()
	if err != nil {
		return report, err
	}
	raw, err := c.Repair(ctx, policy, client.RepairOptions{
		DryRun: opts.DryRun, Restart: opts.Restart, Verify: opts.Verify, Rate: opts.Rate,
		Progress: func(raw json.RawMessage) {
			var r host.RepairReport
			if json.Unmarshal(raw, &r) == nil { // else there is nothing to show
				opts.Progress(r)
			}
		},
	})
	err = errors.Join(err, c.Close(ctx))
	if len(raw) > 0 {
		if unreadable := json.Unmarshal(raw, &report); unreadable != nil {
			err = errors.Join(err, fmt.Errorf("the host's report cannot be read: %w", unreadable))
		}
	}
	return report, err
}

// unfinished says what a repair that ended without an error has left to do.
func unfinished(r host.RepairReport) error {
	switch {
	case r.Failed > 0:
		return fmt.Errorf("keys that could not be repaired: %d", r.Failed)
	case !r.Complete:
		return errors.New("not every child could be scanned to its end: repair again when all of them serve")
	default:
		return nil
	}
}

func (a *app) printRepair(r host.RepairReport) error {
	if a.json {
		return a.printJSON(r)
	}
	from := ""
	if r.Resumed {
		from = ", from where the last repair ended"
	}
	fmt.Fprintf(a.stdout, "policy %s: %d keys compared in %s%s; they differed in %d\n\n",
		r.Policy, r.Scanned, r.Elapsed.Round(time.Millisecond), from, r.Differed)
	t := a.table("CHILD", "MISSING", "STALE", "EXTRA", "CORRUPT")
	for _, c := range r.Children {
		t.AppendRow(table.Row{c.Name, c.Missing, c.Stale, c.Extra, c.Corrupt})
	}
	t.Render()
	if r.DryRun {
		fmt.Fprintf(a.stdout, "\nto be copied: %d, to be deleted: %d; nothing was changed\n", r.Copied, r.Deleted)
	} else {
		fmt.Fprintf(a.stdout, "\ncopied: %d (%s), deleted: %d, marks of deleted keys removed: %d, failed: %d\n",
			r.Copied, bytes(r.Bytes), r.Deleted, r.Collected, r.Failed)
	}
	for _, f := range r.Failures {
		var at []string
		if f.Key != "" {
			at = append(at, printable(f.Key))
		}
		if f.Child != "" {
			at = append(at, f.Child)
		}
		fmt.Fprintf(a.stdout, "  %s: %s\n", strings.Join(at, " at "), harmless(f.Error))
	}
	if more := r.Failed - min(r.Failed, uint64(len(r.Failures))); more > 0 {
		fmt.Fprintf(a.stdout, "  and %d more\n", more)
	}
	if !r.Complete && r.Position != "" {
		fmt.Fprintf(a.stdout, "ended after %s\n", printable(r.Position))
	}
	return nil
}
