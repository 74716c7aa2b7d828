package storetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// latency is that of the children in a run against the model.
const latency = 10 * time.Millisecond

// RunModel draws operations, faults of children and restarts of the host, and
// fails t when the store gives an answer that the model does not allow. The flags
// -rapid.checks and -rapid.steps make it longer; -rapid.seed repeats a failure,
// as far as the store's own goroutines are repeatable.
func RunModel(t *testing.T, h Harness) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		if err := runModel(t, rt, h); err != nil {
			rt.Fatal(err)
		}
	})
}

// FindModelFault is RunModel for a store that is known to be broken: it returns
// the first thing that is wrong, and nil if nothing was found.
func FindModelFault(t *testing.T, h Harness) error {
	t.Helper()
	var found error
	rapid.Check(t, func(rt *rapid.T) {
		if found == nil {
			found = runModel(t, rt, h)
		}
	})
	return found
}

// machine is a run against the model.
type machine struct {
	harness Harness
	host    *host
	model   *model
	caps    storage.Capabilities
	levels  []storage.Consistency
	ids     int
	// quiet: there was no fault since the store was last given time to settle.
	quiet bool
	// faulty are the children with which something was wrong since then.
	faulty []bool
	// err ends the run.
	err error
}

func runModel(t *testing.T, rt *rapid.T, h Harness) (err error) {
	t.Helper()
	h = h.withDefaults()
	inBubble(t, func() {
		var m *machine
		if m, err = newMachine(rt, h); err != nil {
			return
		}
		defer func() {
			if err == nil {
				err = m.host.close()
			} else {
				_ = m.host.close()
			}
		}()
		err = m.run(rt)
		if err == nil {
			return
		}
		where := filepath.Join(t.ArtifactDir(), "log.txt")
		if failure := os.WriteFile(where, []byte(m.host.log.String()), 0o600); failure != nil {
			err = errors.Join(err, failure)
		}
		rt.Logf("the end of the log, which is %s and kept by -artifacts:\n%s", where, m.host.log.Last(60))
	})
	return err
}

func newMachine(rt *rapid.T, h Harness) (*machine, error) {
	seed := rapid.Uint64().Draw(rt, "seed")
	host, err := newHost(h, seed, latency, rapid.Bool().Draw(rt, "breakers"))
	if err != nil {
		return nil, err
	}
	m := &machine{harness: h, host: host, model: newModel(h), quiet: true, faulty: make([]bool, len(host.children))}
	if err := m.seed(); err != nil {
		return nil, errors.Join(err, host.close())
	}
	if err := host.open(host.newDir()); err != nil {
		return nil, errors.Join(err, host.close())
	}
	host.use(func(s storage.Store) { m.caps = s.Capabilities() })
	m.levels = append([]storage.Consistency{storage.ConsistencyDefault}, m.caps.Consistency.Levels()...)
	return m, nil
}

// keys are few, so that operations meet, and such that a store could mistake them
// for each other.
func keys() []string { return []string{"a", "a/b", "a//c", "A", "é", "z/.."} }

// seed gives the children what they hold from the beginning.
func (m *machine) seed() error {
	if m.harness.Seeds == nil {
		return nil
	}
	for _, key := range keys()[:3] {
		m.ids++
		m.model.wrote(key, m.ids, 0)
		m.model.cell(key).acknowledged(m.ids)
		for _, c := range m.host.children {
			if m.harness.Seeds(c.Name()) {
				if err := c.store(key, m.ids); err != nil {
					return err
				}
			}
		}
	}
	m.model.synced()
	return nil
}

func (m *machine) run(rt *rapid.T) error {
	actions := map[string]func(*rapid.T){
		"read":             m.reads,
		"read more":        m.reads,
		"write":            m.writes,
		"write more":       m.writes,
		"write once more":  m.writes,
		"write at a time":  m.race,
		"batch":            m.batch,
		"copy":             m.copy,
		"list":             m.list,
		"fault":            m.fault,
		"trouble":          m.trouble,
		"end of a trouble": m.recover,
		"let time pass":    m.pass,
		"restart the host": m.restartHost,
		"settle": func(rt *rapid.T) {
			if rapid.IntRange(0, 3).Draw(rt, "dice") == 0 {
				m.settle()
			}
		},
	}
	for name, action := range actions {
		actions[name] = func(rt *rapid.T) {
			if m.err == nil {
				action(rt)
			}
		}
	}
	rt.Repeat(actions)
	if m.err == nil {
		m.settle()
	}
	return m.err
}

// fail ends the run.
func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// ask performs an operation and has it judged.
func (m *machine) ask(r request) reply {
	if m.err != nil {
		return reply{}
	}
	if r.op == "put" {
		m.model.wrote(r.key, r.id, r.ttl)
	}
	from := time.Now()
	rep := m.host.perform(r)
	m.learn(r, rep, from)
	return rep
}

func (m *machine) learn(r request, rep reply, from time.Time) {
	if err := m.model.judge(r, rep, from, time.Now()); err != nil {
		m.fail("%w", err)
	}
	m.mustServe(r, rep)
}

// mustServe fails the run if the operation failed and should not have.
func (m *machine) mustServe(r request, rep reply) {
	for i, is := range m.host.faulty() {
		m.faulty[i] = m.faulty[i] || is
	}
	op := r.op
	switch {
	case r.timeout > 0 || rep.killed:
		return
	case op == "stat":
		op = "get"
	case r.writes() && !r.cond.IsNone():
		op += " if"
	}
	if (rep.outcome == failed || rep.outcome == unknown) && (m.quiet || m.harness.Serves(op, m.faulty)) {
		m.fail("%v must succeed with faulty children %v; it ends in %v", r, m.faulty, rep)
	}
}

// settle ends all faults, lets the store make good, and checks that everything is
// as it should be.
func (m *machine) settle() {
	m.host.heal()
	m.quiet = true
	clear(m.faulty)
	m.everything(m.harness.Repair == nil)
	if m.harness.Repair != nil && m.err == nil {
		m.host.use(func(s storage.Store) {
			if err := within(patience, "repair", func() error { return m.repair(s) }); err != nil {
				m.fail("repair: %w", err)
			}
		})
		m.everything(true)
	}
	if m.harness.Single && m.err == nil {
		if err := nowhereTwice(m.host.children); err != nil {
			m.fail("%w", err)
		}
	}
	if m.harness.Replicated && m.err == nil {
		if err := sameEverywhere(m.host.children); err != nil {
			m.fail("%w", err)
		}
	}
}

// everything reads what there is. If the children agree by now, so must all
// readers from then on.
func (m *machine) everything(agreed bool) {
	m.model.strict = true
	defer func() { m.model.strict = false }()
	for _, key := range keys() {
		c := m.model.cell(key)
		for _, level := range slices.Backward(m.levels) { // Strong comes first
			if level == storage.ConsistencyEventual {
				continue
			}
			rep := m.ask(request{op: "get", key: key, level: level, session: true})
			switch {
			case rep.outcome != done:
			case agreed:
				c.possible, c.loose, c.session, c.pending = set(rep.id), set(rep.id), set(rep.id), set()
			case level == storage.ConsistencyStrong:
				c.possible, c.pending = set(rep.id), set()
			}
		}
	}
	m.listAll(storage.ListOptions{})
}
