package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// printTable prints medians with the spread of the rounds behind them, and the
// median of the ratios.
func printTable(w io.Writer, env environment, results []result) {
	fmt.Fprintf(w, "%s, %s, %d CPUs; %d rounds of %s each, in %s. Median (lowest–highest).\n", env.Go, env.System, env.CPUs, env.Rounds, env.Turn, env.Took)
	fmt.Fprintf(w, "One caller: latency, less is better. Many: throughput, more is better. × STOCK: over 1 is better than stock.\n\n")
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(table.Row{"OP", "SIZE", "CALLERS", "", "STOCK", "BUILTIN", "× STOCK", "CHILD", "× STOCK"})
	columns := []table.ColumnConfig{{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}}
	for n := 5; n <= 9; n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for _, r := range results {
		t.AppendRow(table.Row{
			r.op, sizeText(r.size), r.callers, r.unit(),
			spread(r.rounds[nameStock]),
			spread(r.rounds[nameBuiltin]), ratio(r.timesStock(nameBuiltin)),
			spread(r.rounds[nameChild]), ratio(r.timesStock(nameChild)),
		})
	}
	t.Render()
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
