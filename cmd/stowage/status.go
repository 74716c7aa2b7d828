package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/metrics"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show backends, policies, plugins and statistics of a running host",
		Long: `Show backends, policies, plugins and statistics of the host at --addr (default
127.0.0.1:7465). The exit code is 1 if it is not ready.

Of a policy, OWED are the keys of which a child has missed a write, that it will
be given, and OLDEST the age of the oldest of them. A DIRTY child has missed more than can be
remembered, and has to be scanned as a whole: see stowage repair. REPAIRED
counts copies that were set right, DIVERGED keys whose copies differed
unexpectedly, EJECTED how often a child was left alone for a while.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("config") {
				return usagef("status asks a running host: give --addr instead of --config")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			defer c.Close(cmd.Context())
			raw, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			var status host.Status
			if err := json.Unmarshal(raw, &status); err != nil {
				return fmt.Errorf("the host's status cannot be read: %w", err)
			}
			if a.json {
				err = a.printJSON(raw)
			} else {
				a.printStatus(status)
			}
			if err == nil && !status.Ready {
				err = fmt.Errorf("the host is not ready: %s", status.Reason)
			}
			return err
		},
	}
}

func (a *app) table(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(a.stdout)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	t.SetStyle(style)
	t.AppendHeader(table.Row(header))
	return t
}

func (a *app) printStatus(s host.Status) {
	state := "ready"
	if !s.Ready {
		state = "NOT READY: " + harmless(s.Reason)
	}
	stats := s.Stats
	fmt.Fprintf(a.stdout, "%s, up %s; %d operations%s\n\n",
		state, time.Since(s.StartedAt).Round(time.Second), stats.Total.Count, rates(stats))

	t := a.table("BACKEND", "PLUGIN", "STATE", "BREAKER", "GEN", "OPS", "FAILED", "P50", "P99", "READ", "WRITTEN")
	for _, b := range s.Backends {
		o := stats.Backends[b.Name].Total
		t.AppendRow(table.Row{
			b.Name, b.Plugin + " " + b.Version, b.State, b.Breaker, b.Generation, o.Count, o.Failed,
			duration(o.Latency.P50), duration(o.Latency.P99), bytes(o.BytesRead), bytes(o.BytesWritten),
		})
	}
	t.Render()
	for _, b := range s.Backends {
		if b.Reason != "" {
			fmt.Fprintf(a.stdout, "  %s: %s\n", b.Name, harmless(b.Reason))
		}
	}
	fmt.Fprintln(a.stdout)
	a.printPolicies(s)
	a.printPlugins(s)
}

// rates says what share of the operations went well, once there are any.
func rates(s metrics.Stats) string {
	var text string
	if s.Total.Count > 0 {
		text = fmt.Sprintf(", %.2f %% succeeded", 100*s.Total.SuccessRate)
	}
	if looked := s.Cache.Hits + s.Cache.Misses; looked > 0 {
		text += fmt.Sprintf(", cache hit rate %.1f %%", 100*float64(s.Cache.Hits)/float64(looked))
	}
	return text
}

func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

func bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
