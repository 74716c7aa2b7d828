package storetest

import (
	"math/rand/v2"
	"time"
)

// chaos makes children fail in turn until over is closed.
func (r *linearRun) chaos(dice *rand.Rand, over <-chan struct{}) error {
	between := func(least, most int) time.Duration {
		return time.Duration(least)*r.latency + time.Duration(dice.Int64N(int64(most-least)*int64(r.latency)))
	}
	wait := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-over:
			return false
		}
	}
	for wait(between(0, 80)) {
		if r.opts.Kill && dice.IntN(4) == 0 {
			end := r.host.kill
			if dice.IntN(2) == 0 {
				end = r.host.restart
			}
			if err := end(); err != nil {
				return err
			}
		}
		victims := dice.Perm(len(r.host.children))[:1+dice.IntN(r.opts.MaxFaulty)]
		for _, i := range victims {
			r.host.children[i].disturb(dice)
		}
		wait(between(5, 60))
		for _, i := range victims {
			r.host.children[i].Heal()
		}
	}
	return nil
}

// disturb puts the child into one of the states in which it does not serve as it
// should.
func (c *Child) disturb(dice *rand.Rand) {
	switch dice.IntN(4) {
	case 0:
		c.Stop()
	case 1:
		c.Crash()
	case 2:
		c.Hang()
	default:
		p := Even(0.1 + 0.5*dice.Float64())
		if dice.IntN(2) == 0 {
			p = Chances{Late: p.Late * 3}
		}
		c.SetChances(p)
	}
}
