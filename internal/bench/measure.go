package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// benchCase is one thing that is measured.
type benchCase struct {
	op      string // get or put
	size    int    // of the value in bytes
	callers int
}

const keysPerSize = 64

// casesOf are get and put of values of all the sizes, each by one caller and by
// the many.
func casesOf(sizes, callers []int) []benchCase {
	var all []benchCase
	for _, op := range []string{"get", "put"} {
		for _, size := range sizes {
			for _, n := range callers {
				all = append(all, benchCase{op, size, n})
			}
		}
	}
	return all
}

// latency reports whether the case is about the time of one operation, in
// microseconds; otherwise it is about operations per second.
func (c benchCase) latency() bool { return c.callers == 1 }

func (c benchCase) unit() string {
	if c.latency() {
		return "p50 µs"
	}
	return "op/s"
}

func (c benchCase) key(i int) string { return fmt.Sprintf("bench/%d/%d", c.size, i%keysPerSize) }

// result holds the figures of a case: one for each round, by contestant.
type result struct {
	benchCase
	rounds map[string][]float64
}

// times compares a contestant with another, the base, round by round; more than
// 1 is better than the base.
func (r result) times(base, name string) []float64 {
	ratios := make([]float64, len(r.rounds[name]))
	for i, ours := range r.rounds[name] {
		if ratios[i] = ours / r.rounds[base][i]; r.latency() {
			ratios[i] = 1 / ratios[i]
		}
	}
	return ratios
}

// extent is how long all is measured.
type extent struct {
	rounds int
	turn   time.Duration // of each contestant in a round
}

// measureTransports measures a host with its plugin linked in and with its
// plugin as a child, and stock beside them.
func measureTransports(ctx context.Context, plugins string, cases []benchCase, e extent, progress io.Writer) (_ []result, err error) {
	dir, err := os.MkdirTemp("", "bench-of-stowage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	contestants, err := openAll(
		openStock,
		func() (contestant, error) { return openHost(ctx, dir, inMemory(plugins, nameBuiltin)) },
		func() (contestant, error) { return openHost(ctx, dir, inMemory(plugins, nameChild)) },
	)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(contestants)) }()
	return measureAll(ctx, contestants, cases, e, progress)
}

func measureAll(ctx context.Context, contestants []contestant, cases []benchCase, e extent, progress io.Writer) ([]result, error) {
	var results []result
	for i, c := range cases {
		fmt.Fprintf(progress, "%2d/%d %s of %s by %d\n", i+1, len(cases), c.op, sizeText(c.size), c.callers)
		r, err := measureCase(ctx, contestants, c, e)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// measureCase measures all contestants in each of the rounds, beginning with
// another one each time. The first turns are warm-up.
func measureCase(ctx context.Context, contestants []contestant, c benchCase, e extent) (result, error) {
	value := make([]byte, c.size)
	rand.Read(value)
	for _, who := range contestants {
		if err := fill(ctx, who, c, value); err != nil {
			return result{}, fmt.Errorf("%s: %w", who.name, err)
		}
		if _, err := measureTurn(ctx, who, c, value, e.turn/2); err != nil {
			return result{}, fmt.Errorf("%s: %w", who.name, err)
		}
	}
	r := result{c, make(map[string][]float64)}
	for round := range e.rounds {
		for i := range contestants {
			who := contestants[(round+i)%len(contestants)]
			figure, err := measureTurn(ctx, who, c, value, e.turn)
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", who.name, err)
			}
			r.rounds[who.name] = append(r.rounds[who.name], figure)
		}
	}
	return r, nil
}

// fill puts a value at all keys of a case.
func fill(ctx context.Context, who contestant, c benchCase, value []byte) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range keysPerSize {
		group.Go(func() error { return who.put(ctx, c.key(i), value) })
	}
	return group.Wait()
}

// measureTurn has one contestant work for a while.
func measureTurn(ctx context.Context, who contestant, c benchCase, value []byte, turn time.Duration) (float64, error) {
	runtime.GC() // nobody pays for the turn before
	took := make([][]time.Duration, c.callers)
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for caller := range c.callers {
		group.Go(func() (err error) {
			took[caller], err = call(ctx, who, c, caller, value, begin.Add(turn))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	elapsed := time.Since(begin)
	all := slices.Concat(took...)
	if c.latency() {
		slices.Sort(all)
		return float64(all[len(all)/2]) / float64(time.Microsecond), nil
	}
	return float64(len(all)) / elapsed.Seconds(), nil
}

// call does operations one after the other until the time is over, at least
// one, and returns how long each took. Callers never share a key while there
// are enough of them.
func call(ctx context.Context, who contestant, c benchCase, caller int, value []byte, until time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for i := caller; ; i += c.callers {
		key := c.key(i)
		before := time.Now()
		if err := once(ctx, who, c, key, value); err != nil {
			return nil, err
		}
		after := time.Now()
		took = append(took, after.Sub(before))
		if after.After(until) {
			return took, nil
		}
	}
}

func once(ctx context.Context, who contestant, c benchCase, key string, value []byte) error {
	if c.op == "put" {
		return who.put(ctx, key, value)
	}
	got, err := who.get(ctx, key)
	if err == nil && len(got) != c.size {
		err = fmt.Errorf("%d bytes came back for %d", len(got), c.size)
	}
	return err
}
