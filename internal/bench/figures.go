package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figure sums up the rounds of one measurement.
type figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds"`
}

func summarize(rounds []float64) figure {
	sorted := slices.Sorted(slices.Values(rounds))
	n := len(sorted)
	return figure{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Rounds: n}
}

// environment is what the figures depend on.
type environment struct {
	Time    time.Time `json:"time"`
	Took    string    `json:"took"`
	Go      string    `json:"go"`
	System  string    `json:"system"`
	CPUs    int       `json:"cpus"`
	Rounds  int       `json:"rounds"`
	Turn    string    `json:"turn"`
	Backend string    `json:"backend"`
}

func describeEnvironment(begin time.Time, e extent) environment {
	return environment{
		Time: begin.UTC().Truncate(time.Second), Took: time.Since(begin).Round(time.Second).String(),
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Rounds: e.rounds, Turn: e.turn.String(), Backend: "local, in memory",
	}
}

// document is the file of figures. A key is OP/SIZE/CALLERS/CONTESTANT/UNIT,
// such as "get/128/1/child/p50_us" or "put/4096/64/builtin/ops_per_s", or ends
// in "times_stock" for the ratio to stock, where more than 1 is better. SIZE is
// in bytes. Those of a Supabase project begin with "supabase/" or
// "supabase/5ms/", and the ratios are "times_http".
type document struct {
	Environment environment       `json:"environment"`
	Figures     map[string]figure `json:"figures"`
}

// addResults adds results whose ratios are to base. Their keys begin with prefix.
func addResults(figures map[string]figure, prefix, base string, results []result) {
	for _, r := range results {
		unit := "ops_per_s"
		if r.latency() {
			unit = "p50_us"
		}
		for name, rounds := range r.rounds {
			key := fmt.Sprintf("%s%s/%d/%d/%s/", prefix, r.op, r.size, r.callers, name)
			figures[key+unit] = summarize(rounds)
			if name != base {
				figures[key+"times_"+base] = summarize(r.times(base, name))
			}
		}
	}
}

// addPolicies adds what policies cost: policy/NAME/get_ns and get_allocs, and
// more_ns and more_allocs than a bare child, and redundant/quorum_put as a
// multiple of the second fastest replica.
func addPolicies(figures map[string]figure, costs []cost, quorum []float64) {
	for _, c := range costs {
		key := "policy/" + strings.NewReplacer(" ", "_", ",", "").Replace(c.name) + "/"
		figures[key+"get_ns"], figures[key+"get_allocs"] = summarize(c.ns), summarize(c.allocs)
		if c.over != "" {
			figures[key+"more_ns"], figures[key+"more_allocs"] = summarize(c.moreNS), summarize(c.moreAllocs)
		}
	}
	figures["policy/redundant/quorum_put"] = summarize(quorum)
}

func writeFigures(path string, env environment, figures map[string]figure) error {
	doc := document{env, figures}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
