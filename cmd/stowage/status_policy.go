package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/p2p-ai-agents/stowage/host"
	"github.com/p2p-ai-agents/stowage/host/metrics"
)

// maxChildren is how wide the children of a policy may be in a table.
const maxChildren = 32

// printPolicies shows what each policy is made of, what it did and what it owes.
func (a *app) printPolicies(s host.Status) {
	if len(s.Policies) == 0 {
		return
	}
	t := a.table("POLICY", "KIND", "CHILDREN", "HITS", "FAILOVERS", "OWED", "OLDEST", "DIRTY", "REPAIRED", "DIVERGED", "EJECTED")
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "CHILDREN", WidthMax: maxChildren}})
	for _, p := range s.Policies {
		stats := s.Stats.Policies[p.Name]
		owed := sumBacklogs(stats.Backlogs)
		t.AppendRow(table.Row{
			p.Name, p.Kind, strings.ReplaceAll(strings.Join(p.Children, " "), "backend.", ""), hitRate(stats.CacheStats), stats.Failovers,
			owed.entries, owed.age, owed.dirty, stats.Repaired, stats.Divergences, stats.Ejections,
		})
	}
	t.Render()
	for _, p := range s.Policies {
		for _, b := range s.Stats.Policies[p.Name].Backlogs {
			if line := describeBacklog(b, p.Name); line != "" {
				fmt.Fprintf(a.stdout, "  %s: %s\n", p.Name, line)
			}
		}
	}
	fmt.Fprintln(a.stdout)
}

// describeBacklog says what a policy owes a child, if anything.
func describeBacklog(b metrics.Backlog, policy string) string {
	switch {
	case b.Dirty:
		return fmt.Sprintf("%s has to be scanned: %s. It is when it serves, or at once with stowage repair %s",
			b.Target, strings.TrimSuffix(harmless(b.Reason), "."), policy)
	case b.Entries > 0:
		return fmt.Sprintf("%s is owed %d keys (%s), the oldest for %s", b.Target, b.Entries, bytes(b.Bytes), age(b.Oldest))
	default:
		return ""
	}
}

func hitRate(c metrics.CacheStats) string {
	if c.Hits+c.Misses == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*c.HitRate)
}

// owed sums what a policy owes all its children.
type owed struct {
	entries, dirty int
	age            string
}

func sumBacklogs(backlogs []metrics.Backlog) owed {
	var sum owed
	var oldest time.Time
	for _, b := range backlogs {
		sum.entries += b.Entries
		if b.Dirty {
			sum.dirty++
		}
		if !b.Oldest.IsZero() && (oldest.IsZero() || b.Oldest.Before(oldest)) {
			oldest = b.Oldest
		}
	}
	sum.age = age(oldest)
	return sum
}

// age is how long ago something was, in its two largest units.
func age(since time.Time) string {
	d := time.Since(since)
	switch {
	case since.IsZero():
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
