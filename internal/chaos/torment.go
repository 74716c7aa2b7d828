package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// torture is a way to torment the processes.
type torture uint8

const (
	killPlugin  torture = iota // SIGKILL
	killTwo                    // at a time
	pausePlugin                // SIGSTOP, and SIGCONT after a while
	stopPlugin                 // SIGSTOP; the supervisor has to notice and kill it
	killHost                   // SIGKILL; it is started again
	numTortures
)

func (t torture) String() string {
	return [numTortures]string{"plugin killed", "two plugins killed at a time", "plugin stopped and continued", "plugin stopped for good", "host killed"}[t]
}

// longDeck is the torment of a long run, dealt again and again in another order.
func longDeck() []torture {
	return []torture{
		killPlugin, killPlugin, killPlugin, killPlugin, killTwo, killTwo,
		pausePlugin, pausePlugin, pausePlugin, stopPlugin, killHost, killHost, killHost,
	}
}

// The supervisor gives up, for a minute, a plugin that dies five times within
// one. So none is killed more often than that.
const (
	maxDeaths   = 4
	deathWindow = 65 * time.Second
)

// tormentor does one thing after another to the processes of a run.
type tormentor struct {
	run    *run
	random *rand.Rand
	deaths map[string][]time.Time // of a backend's processes under this host
	// stopped are those that were stopped for good and may still be there.
	stopped []process
	done    [numTortures]int
}

// torment deals the deck, again and again until ctx ends, at least once. It
// returns when everything it stopped or killed is back.
func (t *tormentor) torment(ctx context.Context, deck []torture) error {
	for first := true; first || ctx.Err() == nil; first = false {
		deck = slices.Clone(deck)
		t.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, how := range deck {
			if !first && ctx.Err() != nil {
				break
			}
			if err := t.deal(how); err != nil {
				return err
			}
		}
	}
	return t.recovered()
}

func (t *tormentor) deal(how torture) error {
	if err := t.run.pause(t.between(50*time.Millisecond, 2*time.Second)); err != nil {
		return err
	}
	if t.random.IntN(3) != 0 { // else it comes on top of what went before
		if err := t.recovered(); err != nil {
			return err
		}
	}
	t.done[how]++
	switch how {
	case killTwo:
		return t.signal(how, 2, syscall.SIGKILL)
	case pausePlugin:
		return t.pausePlugin()
	case stopPlugin:
		return t.signal(how, 1, syscall.SIGSTOP)
	case killHost:
		return t.killHost()
	default:
		return t.signal(how, 1, syscall.SIGKILL)
	}
}

func (t *tormentor) between(least, most time.Duration) time.Duration {
	return least + time.Duration(t.random.Int64N(int64(most-least)))
}

// victims chooses among the processes that run and have not died too often.
func (t *tormentor) victims(n int) ([]process, error) {
	var chosen []process
	err := t.run.await("a plugin process", func(s *status) (string, bool) {
		running := s.processes()
		chosen = chosen[:0]
		for _, i := range t.random.Perm(len(replicas())) {
			name := replicas()[i]
			p, ok := running[name]
			if ok && len(chosen) < n && t.mayDie(name) && !slices.Contains(t.stopped, p) {
				chosen = append(chosen, p)
			}
		}
		return "none runs that may be killed", len(chosen) > 0
	})
	return chosen, err
}

func (t *tormentor) mayDie(backend string) bool {
	t.deaths[backend] = slices.DeleteFunc(t.deaths[backend], func(at time.Time) bool { return time.Since(at) > deathWindow })
	return len(t.deaths[backend]) < maxDeaths
}

func (t *tormentor) signal(how torture, n int, signal syscall.Signal) error {
	victims, err := t.victims(n)
	if err != nil {
		return err
	}
	for _, p := range victims {
		t.deaths[p.name] = append(t.deaths[p.name], time.Now())
		if signal == syscall.SIGSTOP {
			t.stopped = append(t.stopped, p)
		}
		t.run.model.tormented("%s: %s", how, p)
		send(p, signal)
	}
	return nil
}

func (t *tormentor) pausePlugin() error {
	victims, err := t.victims(1)
	if err != nil {
		return err
	}
	p := victims[0]
	long := t.between(100*time.Millisecond, 6*time.Second)
	t.run.model.tormented("plugin stopped for %s: %s", long.Round(time.Millisecond), p)
	send(p, syscall.SIGSTOP)
	err = t.run.pause(long)
	t.run.model.tormented("plugin continued: %s", p)
	send(p, syscall.SIGCONT)
	return err
}

// send signals the process that p still is.
func send(p process, signal syscall.Signal) {
	if p.alive() {
		_ = syscall.Kill(p.pid, signal) // it may have ended this moment
	}
}

// killHost kills the host and starts another. The plugins must be gone.
func (t *tormentor) killHost() error {
	s, err := t.run.current().status(t.run.life)
	var orphans map[string]process
	if err == nil {
		orphans = s.processes()
	}
	t.run.model.tormented("host killed")
	t.run.killHost()
	if t.random.IntN(2) == 0 {
		if err := t.run.pause(t.between(0, time.Second)); err != nil {
			return err
		}
	}
	clear(t.deaths)
	if err := t.run.startHost(); err != nil {
		return err
	}
	t.run.model.tormented("host started")
	for _, p := range orphans {
		if err := t.run.until(fmt.Sprintf("the end of %s, whose host was killed", p), func() (string, bool) { return "it is still there", !p.alive() }); err != nil {
			return err
		}
	}
	return nil
}

// recovered returns when all backends serve and those that were stopped for good
// were replaced.
func (t *tormentor) recovered() error {
	return t.run.await("all backends to serve", func(s *status) (string, bool) {
		t.stopped = slices.DeleteFunc(t.stopped, func(p process) bool { return !p.alive() })
		if len(t.stopped) > 0 {
			return t.stopped[0].String() + " was stopped and still exists", false
		}
		return s.serving()
	})
}
