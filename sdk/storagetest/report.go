package storagetest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Status is the outcome of a case.
type Status uint8

// The outcomes of a case.
const (
	Passed Status = iota + 1
	Failed
	Skipped
)

// String returns "passed", "failed" or "skipped".
func (s Status) String() string {
	switch s {
	case Passed:
		return "passed"
	case Failed:
		return "failed"
	case Skipped:
		return "skipped"
	default:
		return "unknown"
	}
}

// Result is the outcome of one case.
type Result struct {
	// Name is the full name of the case, group included:
	// "list/order-is-bytewise". Names are stable; see [Options].Skip.
	Name  string
	Group string
	// Status, and for a case that failed what was expected and what came, for
	// one that was skipped why: the capability that is missing, mostly.
	Status Status
	Reason string
	// Duration of the case without its cleaning up.
	Duration time.Duration
}

// Report is the outcome of a run.
type Report struct {
	// Prefix began every key that was used.
	Prefix string
	// Results in the order in which the cases ran.
	Results []Result
	// Leftovers are keys that were stored and could not be deleted.
	Leftovers []string
}

// Count returns how many cases ended with the status.
func (r Report) Count(status Status) int {
	n := 0
	for _, res := range r.Results {
		if res.Status == status {
			n++
		}
	}
	return n
}

// Err returns nil if no case failed, else an error that names those that did.
func (r Report) Err() error {
	var failed []string
	for _, res := range r.Results {
		if res.Status == Failed {
			failed = append(failed, res.Name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d conformance cases failed: %s", len(failed), len(r.Results), strings.Join(failed, ", "))
}

// WriteTo prints the report as a table for people: one line for each case,
// reasons below, and a summary.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, r.String())
	return int64(n), err
}

// String returns what WriteTo prints.
func (r Report) String() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, res := range r.Results {
		reason := ""
		if res.Status == Skipped {
			reason = res.Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", res.Status, res.Name, res.Duration.Round(time.Millisecond), reason)
	}
	_ = table.Flush() // a strings.Builder takes everything
	for _, res := range r.Results {
		if res.Status == Failed {
			fmt.Fprintf(&b, "\n%s\n    %s\n", res.Name, strings.ReplaceAll(res.Reason, "\n", "\n    "))
		}
	}
	if len(r.Leftovers) > 0 {
		fmt.Fprintf(&b, "\n%d keys could not be deleted; all begin with %q\n", len(r.Leftovers), r.Prefix)
	}
	fmt.Fprintf(&b, "\n%d passed, %d failed, %d skipped\n", r.Count(Passed), r.Count(Failed), r.Count(Skipped))
	return b.String()
}
