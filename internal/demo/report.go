package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// report is what was done and found.
type report struct {
	source string
	steps  []step
	listed int

	kills, restarts int
	recoveries      []time.Duration // from the kill until the backend served again
	hostRetries     int64
	workerRetries   int64

	limit                 int64
	treeMemory, bigMemory memory
	peakSinceStart        bool // the peaks could not be reset

	mu        sync.Mutex
	verified  int
	different []string
}

// step is a part of the job.
type step struct {
	name    string
	objects int
	bytes   int64
	took    time.Duration
}

func (r *report) compared(key string, same bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verified++
	if !same {
		r.different = append(r.different, key)
	}
}

// fault says what of the result is not as it must be.
func (r *report) fault() error {
	var errs []error
	if n := len(r.different); n > 0 {
		errs = append(errs, fmt.Errorf("%d objects differ from their source, %q among them", n, r.different[0]))
	}
	if r.kills != r.restarts {
		errs = append(errs, fmt.Errorf("the plugin was killed %d times and came back %d times", r.kills, r.restarts))
	}
	for process, peak := range map[string]int64{
		"host": max(r.treeMemory.host, r.bigMemory.host), "plugin": max(r.treeMemory.plugin, r.bigMemory.plugin),
	} {
		if r.limit > 0 && peak > r.limit {
			errs = append(errs, fmt.Errorf("the %s took %s of memory, over the limit of %s", process, mib(peak), mib(r.limit)))
		}
	}
	return errors.Join(errs...)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "Through the host into the plugin's process and back: %s\n\n", r.source)
	steps := newTable(w, "STEP", "OBJECTS", "MIB", "SECONDS", "MIB/S")
	for _, s := range r.steps {
		size, seconds := float64(s.bytes)/(1<<20), s.took.Seconds()
		steps.AppendRow(table.Row{s.name, s.objects, decimal(size), decimal(seconds), decimal(size / seconds)})
	}
	steps.Render()

	fmt.Fprintln(w)
	facts := newTable(w, "WHAT HAPPENED", "")
	facts.AppendRows([]table.Row{
		{"plugin killed with SIGKILL", r.kills},
		{"brought back by the supervisor", r.restarts},
		{"serving again after", r.recoveryTimes()},
		{"operations tried again by the host", r.hostRetries},
		{"and by the workers", r.workerRetries},
		{"objects listed", r.listed},
		{"SHA-256 sums compared", r.verified},
		{"mismatches", len(r.different)},
	})
	facts.Render()

	fmt.Fprintln(w)
	peaks := newTable(w, "PEAK MEMORY", "TREE", "ONE VALUE", "LIMIT")
	peaks.AppendRows([]table.Row{
		{"host", mib(r.treeMemory.host), mib(r.bigMemory.host), mib(r.limit)},
		{"plugin", mib(r.treeMemory.plugin), mib(r.bigMemory.plugin), mib(r.limit)},
	})
	peaks.Render()
	if r.peakSinceStart {
		fmt.Fprintln(w, "This kernel does not reset peaks: those of the one value include the tree.")
	}
}

func (r *report) recoveryTimes() string {
	texts := make([]string, len(r.recoveries))
	for i, t := range r.recoveries {
		texts[i] = t.Round(time.Millisecond).String()
	}
	return strings.Join(texts, ", ")
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

func decimal(v float64) string { return fmt.Sprintf("%.1f", v) }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
