package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// What a Supabase project costs, once on the machine itself and once at the end
// of a network, since no real one is on loopback.
const farRoundTrip = 5 * time.Millisecond

// away is a distance to the project, and what is measured at it.
type away struct {
	roundTrip time.Duration // 0: on loopback
	cases     []benchCase
}

func distances() []away {
	return []away{
		{0, casesOf([]int{1 << 10, 1 << 20}, []int{1, 64})},
		{farRoundTrip, casesOf([]int{1 << 10}, []int{1})},
	}
}

// prefix is that of the keys of figures.
func (a away) prefix() string {
	if a.roundTrip == 0 {
		return "supabase/"
	}
	return fmt.Sprintf("supabase/%v/", a.roundTrip)
}

// supabaseLimit is what a child process must reach, as a multiple of the plain
// HTTP client; 0 for no limit. Alone it may take 15 % more time. Of many callers
// the gets share requests.
func supabaseLimit(c benchCase) float64 {
	switch {
	case c.latency():
		return 1 / 1.15
	case c.op == "get":
		return 2
	default:
		return 0
	}
}

// measured is what was found at a distance.
type measured struct {
	away
	results []result
}

// measureSupabase measures the plugin supabase, as a child and linked in, beside
// clients without a host, in a project of its own.
func measureSupabase(ctx context.Context, plugins string, at []away, e extent, progress io.Writer) (_ []measured, err error) {
	p, err := openProject()
	if err != nil {
		return nil, fmt.Errorf("a project to measure: %w", err)
	}
	defer func() { err = errors.Join(err, p.close()) }()
	var all []measured
	for _, a := range at {
		results, err := measureAway(ctx, p, plugins, a, e, progress)
		if err != nil {
			return nil, err
		}
		all = append(all, measured{a, results})
	}
	return all, nil
}

func measureAway(ctx context.Context, p *project, plugins string, a away, e extent, progress io.Writer) (_ []result, err error) {
	dir, err := os.MkdirTemp("", "bench-of-supabase-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	address := p.URL
	if a.roundTrip > 0 {
		address = p.FarURL
	}
	opens := []func() (contestant, error){
		func() (contestant, error) { return openHTTP(ctx, p, address) },
		func() (contestant, error) { return openHost(ctx, dir, p.hosted(plugins, nameBuiltin, address)) },
		func() (contestant, error) { return openHost(ctx, dir, p.hosted(plugins, nameChild, address)) },
	}
	if a.roundTrip == 0 { // the database itself has no such network before it
		opens = append(opens, func() (contestant, error) { return openPgx(ctx, p) })
	}
	contestants, err := openAll(opens...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(contestants)) }()
	return measureAll(ctx, contestants, a.cases, e, progress)
}

func printSupabase(w io.Writer, all []measured) {
	fmt.Fprintf(w, "\nA Supabase project. HTTP: a plain client of its API, one request for each operation. PGX: the same functions without the API.\n"+
		"BUILTIN and CHILD: a host with the plugin supabase. Database, API, host and callers share the CPUs of this machine: what one\n"+
		"of them saves the others can use, and what waits for a CPU here need not wait where each has its own.\n")
	for _, m := range all {
		others := []string{nameBuiltin, nameChild}
		if m.roundTrip == 0 {
			others = append([]string{namePgx}, others...)
			fmt.Fprintf(w, "\nThe project on loopback. CHILD is held against AT LEAST.\n\n")
		} else {
			fmt.Fprintf(w, "\nThe project at the end of a network with a round trip of %v. CHILD is held against AT LEAST.\n\n", m.roundTrip)
		}
		printComparison(w, m.results, nameHTTP, others, supabaseLimit)
	}
}

func addSupabase(figures map[string]figure, all []measured) {
	for _, m := range all {
		addResults(figures, m.prefix(), nameHTTP, m.results)
	}
}
