package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

type options struct {
	// binary is stowage, plugins the folder of stowage-plugin-local.
	binary, plugins string
	// dir is where everything is kept: it must be empty or not exist.
	dir     string
	seed    uint64
	length  time.Duration
	callers int
	// keys that have one writer at a time, and keys that have many.
	keys, shared int
	deck         []torture
	say          func(format string, args ...any) // how far it is
}

// run is a run of the test: the load, the torment and the comparison.
type run struct {
	options
	config string
	log    io.Writer
	model  *model
	tally  *tally
	life   context.Context //nolint:containedctx // of the whole run
	end    context.CancelFunc

	mu      sync.Mutex
	host    *host // nil while it is being killed
	watched sync.WaitGroup

	watch  watch
	report report
}

// errBroken ends a run of which a violation was noted.
var errBroken = errors.New("a promise was broken")

func (r *run) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(r.seed, stream)) //nolint:gosec // it must be possible to repeat it
}

// start runs everything. The error is of the test itself; what the host did
// wrong stands in the report.
func start(ctx context.Context, o options) (*report, error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	config, err := writeConfig(o.dir, o.plugins)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(o.dir, "host.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := &run{options: o, config: config, log: log, model: newModel(o.keys, o.shared), tally: newTally()}
	r.life, r.end = context.WithCancel(ctx)
	defer r.end()
	r.watched.Go(func() {
		select {
		case <-r.model.broken:
			r.end()
		case <-r.life.Done():
		}
	})
	err = r.do()
	r.killHost()
	r.end()
	r.watched.Wait()
	r.fill()
	if len(r.report.violations) > 0 {
		err = nil // it is why the run ended
	}
	return &r.report, err
}

func (r *run) do() error {
	if err := r.startHost(); err != nil {
		return err
	}
	if err := r.await("all backends to serve", (*status).serving); err != nil {
		return err
	}
	r.say("load of %d callers for %s, with torment", r.callers, r.length)
	if err := r.load(); err != nil {
		return err
	}
	r.say("waiting for the debts to be paid")
	if err := r.await("no debts", (*status).settled); err != nil {
		return err
	}
	if err := r.stopHost(); err != nil {
		return err
	}
	return r.examine()
}

// load has the callers work while the tormentor does, and returns when both have
// ended and everything is back.
func (r *run) load() error {
	t := &tormentor{run: r, random: r.random(0), deaths: make(map[string][]time.Time)}
	working, done := context.WithCancel(r.life)
	defer done()
	var callers, watching sync.WaitGroup
	for n := range r.callers {
		c := newCaller(r, n+1)
		callers.Go(func() { c.work(working) })
	}
	watching.Go(func() { r.watch.follow(working, r) })
	watching.Go(func() { r.keepRepairing(working) })
	tormenting, end := context.WithTimeout(r.life, r.length)
	defer end()
	err := t.torment(tormenting, r.deck)
	done()
	callers.Wait()
	watching.Wait()
	r.report.tortures = t.done
	return err
}

// store is the host's that runs now, or nil.
func (r *run) store() storage.Store {
	if h := r.current(); h != nil {
		return h.store
	}
	return nil
}

func (r *run) current() *host {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.host
}

func (r *run) setHost(h *host) (before *host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, r.host = r.host, h
	return before
}

func (r *run) startHost() error {
	ctx, cancel := context.WithTimeout(r.life, patience)
	defer cancel()
	h, err := startHost(ctx, r.binary, r.config, r.log)
	if err != nil {
		if r.life.Err() == nil {
			r.model.fault("the host cannot be started: %v", err)
		}
		return errors.Join(r.life.Err(), err)
	}
	r.setHost(h)
	r.watched.Go(func() {
		<-h.ended
		if !h.wanted.Load() {
			r.model.fault("the host ended by itself: %v; its log is host.log", cmpErr(h.err))
		}
	})
	return nil
}

// killHost kills the host, if one runs. Operations that begin meanwhile are not
// sent anywhere.
func (r *run) killHost() {
	if h := r.setHost(nil); h != nil {
		h.kill()
	}
}

// stopHost stops the host and sees its plugins end.
func (r *run) stopHost() error {
	h := r.current()
	s, err := h.status(r.life)
	if err != nil {
		return err
	}
	r.setHost(nil)
	if err := h.stop(); err != nil {
		r.model.fault("the host did not stop as it should: %v", err)
		return errBroken
	}
	for _, p := range s.processes() {
		if p.alive() {
			r.model.fault("the host stopped, and its plugin %s did not", p)
			return errBroken
		}
	}
	return nil
}

// pause waits, and returns the reason if the run ends.
func (r *run) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.life.Done():
		return r.life.Err()
	case <-timer.C:
		return nil
	}
}

const pollInterval = 50 * time.Millisecond

// until polls what happens in other processes. It is a violation if it does not
// happen within patience.
func (r *run) until(what string, done func() (why string, ok bool)) error {
	for deadline := time.Now().Add(patience); ; {
		why, ok := done()
		switch {
		case ok:
			return nil
		case time.Now().After(deadline):
			r.model.fault("waited %s in vain for %s: %s", patience, what, why)
			return errBroken
		}
		if err := r.pause(pollInterval); err != nil {
			return err
		}
	}
}

// await polls the status of the host.
func (r *run) await(what string, done func(*status) (why string, ok bool)) error {
	return r.until(what, func() (string, bool) {
		s, err := r.current().status(r.life)
		if err != nil {
			return fmt.Sprintf("no status: %v", err), false
		}
		return done(s)
	})
}
