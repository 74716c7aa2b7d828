package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/p2p-ai-agents/stowage/host/routing"
)

// report is what was done and found.
type report struct {
	seed       uint64
	operations map[string]counts
	tortures   [numTortures]int
	peaks      map[string]backlog
	counters   counters
	// unequal keys when the journal owed nothing: those of writes of unknown
	// outcome, which only a repair finds.
	unequal int
	repair  routing.RepairReport
	repairs int // that came to their end during the load
	// compared keys, and those of them that hold a value at the end.
	compared, stored int
	violations       []string
}

// fill takes over what was counted.
func (r *run) fill() {
	r.report.seed = r.seed
	r.report.operations = make(map[string]counts)
	for _, kind := range kinds() {
		r.report.operations[kind] = r.tally.read(kind)
	}
	r.report.peaks, r.report.counters = r.watch.peaks, r.watch.total()
	r.report.violations = r.model.violations()
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "Three replicas under redundant write=quorum, seed %d\n\n", r.seed)
	operations := newTable(w, "OPERATIONS", "ANSWERED", "UNAVAILABLE", "UNKNOWN", "SLOWEST", "LONGEST WITHOUT ANSWER")
	for _, kind := range kinds() {
		c := r.operations[kind]
		operations.AppendRow(table.Row{kind, c.results[answered], c.results[unavailable], c.results[lost], short(c.slowest), short(c.outage)})
	}
	operations.Render()

	fmt.Fprintln(w)
	torment := newTable(w, "TORMENT", "TIMES")
	for how, times := range r.tortures {
		torment.AppendRow(table.Row{torture(how), times}) //nolint:gosec // few
	}
	torment.Render()

	fmt.Fprintln(w)
	owed := newTable(w, "REPLICA", "MOST ENTRIES OWED", "WAS DIRTY")
	for _, name := range replicas() {
		peak := r.peaks["backend."+name]
		owed.AppendRow(table.Row{name, peak.Entries, peak.Dirty})
	}
	owed.Render()

	fmt.Fprintln(w)
	facts := newTable(w, "WHAT HAPPENED", "")
	facts.AppendRows([]table.Row{
		{"hints", r.counters.Hinted},
		{"replayed", r.counters.Replayed},
		{"divergences met", r.counters.Divergences},
		{"repaired by reads and writes", r.counters.Repaired},
		{"failovers of reads", r.counters.Failovers},
		{"replicas passed over", r.counters.Ejections},
		{"whole repairs meanwhile", r.repairs},
		{"keys that differed when nothing was owed", r.unequal},
		{"keys that repair found to differ", r.repair.Differed},
		{"copies that repair wrote", r.repair.Copied + r.repair.Deleted},
		{"keys compared at all replicas", r.compared},
		{"of them with a value", r.stored},
		{"broken promises", len(r.violations)},
	})
	facts.Render()
	for _, v := range r.violations {
		fmt.Fprintf(w, "\nBROKEN: %s\n", v)
	}
}

func newTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(header)
	columns := make([]table.ColumnConfig, 0, len(header))
	for n := 2; n <= len(header); n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
