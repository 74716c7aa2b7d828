package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// printEnvironment prints what holds for all tables after it.
func printEnvironment(w io.Writer, env environment) {
	fmt.Fprintf(w, "%s, %s, %d CPUs; %d rounds of %s each, in %s. Median (lowest–highest).\n", env.Go, env.System, env.CPUs, env.Rounds, env.Turn, env.Took)
	fmt.Fprintf(w, "One caller: latency, less is better. Many: throughput, more is better. × SOMETHING: over 1 is better than that.\n")
}

func printTransports(w io.Writer, results []result) {
	fmt.Fprintf(w, "\nA host with the plugin local in memory, beside a stock go-plugin service.\n\n")
	printComparison(w, results, nameStock, []string{nameBuiltin, nameChild}, nil)
}

// printComparison prints medians with the spread of the rounds behind them, and
// the median of the ratios to base. Where there are limits, the last of the
// others is held against them.
func printComparison(w io.Writer, results []result, base string, others []string, limit func(benchCase) float64) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	header := table.Row{"OP", "SIZE", "CALLERS", "", strings.ToUpper(base)}
	for _, name := range others {
		header = append(header, strings.ToUpper(name), "× "+strings.ToUpper(base))
	}
	columns := []table.ColumnConfig{{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}}
	for n := 5; n <= len(header); n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	if limit != nil {
		header = append(header, "AT LEAST", "")
	}
	t.AppendHeader(header)
	for _, r := range results {
		row := table.Row{r.op, sizeText(r.size), r.callers, r.unit(), spread(r.rounds[base])}
		for _, name := range others {
			row = append(row, spread(r.rounds[name]), ratio(r.times(base, name)))
		}
		if limit != nil {
			row = append(row, verdict(r, base, others[len(others)-1], limit(r.benchCase))...)
		}
		t.AppendRow(row)
	}
	t.Render()
}

// verdict is a limit of what a contestant must reach, and whether it does.
func verdict(r result, base, name string, least float64) table.Row {
	switch {
	case least == 0:
		return table.Row{"", ""}
	case summarize(r.times(base, name)).Median >= least:
		return table.Row{short(least), "met"}
	default:
		return table.Row{short(least), "NOT MET"}
	}
}

func spread(rounds []float64) string {
	f := summarize(rounds)
	return fmt.Sprintf("%s (%s–%s)", short(f.Median), short(f.Min), short(f.Max))
}

// short rounds to three significant digits or so.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func ratio(rounds []float64) string { return short(summarize(rounds).Median) }

func sizeText(bytes int) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	default:
		return fmt.Sprintf("%d B", bytes)
	}
}
