package journal

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestManyUseTheJournalAtOnce(t *testing.T) {
	b := newBench(t, Options{MaxBytes: 40 * entryOverhead})
	targets := []string{"a", "b", "c"}
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for n := range 60 {
				key := fmt.Sprint(rand.IntN(40))
				target := targets[rand.IntN(len(targets))]
				i := b.l.Begin(key, uint64(n+1), key, targets...) //nolint:gosec // small
				if rand.IntN(2) == 0 {
					if err := i.Wait(t.Context()); err != nil {
						t.Error(err)
					}
					i.Acknowledged()
				}
				b.l.Owes(target, key)
				for _, target := range targets {
					[]func(string){i.Done, i.Missed, i.Dropped}[rand.IntN(3)](target)
				}
				for _, e := range b.l.Ripe(target, 3) {
					b.l.Settle(target, e.Key, e.Version)
				}
				if mark, dirty := b.l.Dirty(target); dirty {
					if err := b.l.Clean(target, mark); err != nil {
						t.Error(err)
					}
				}
				b.l.Entry(target, key)
				b.l.Backlog(target)
				woken(b.l.Wake(target))
			}
		})
	}
	group.Wait()
	var before []Entry
	for _, target := range targets {
		before = append(before, b.l.Ripe(target, 1000)...)
	}
	b.restart()
	var after []Entry
	for _, target := range targets {
		after = append(after, b.l.Ripe(target, 1000)...)
	}
	if len(before) != len(after) {
		t.Errorf("%d entries before, %d after", len(before), len(after))
	}
}
