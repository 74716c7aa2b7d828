package main

import (
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// examine compares the replicas when no host runs: as they are when the journal
// owes nothing, and after a repair. Then it reads everything through a host.
func (r *run) examine() error {
	r.say("comparing the replicas")
	before, err := r.compare()
	if err != nil {
		return err
	}
	r.model.judgeHints(before, &r.report)
	r.say("repairing")
	if err := r.repair(); err != nil {
		return err
	}
	after, err := r.compare()
	if err != nil {
		return err
	}
	r.model.judgeReplicas(after, &r.report)
	r.say("reading everything through the host")
	if err := r.readAll(); err != nil {
		return err
	}
	if len(r.model.violations()) > 0 {
		return errBroken
	}
	return nil
}

// judgeHints checks that the journal alone has made the copies of all keys equal
// of which every write since the last acknowledged one was answered. What a
// write of unknown outcome left behind may be for a repair to find.
func (m *model) judgeHints(c *comparison, report *report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.objects {
		if c.equal(o.key) {
			continue
		}
		report.unequal++
		open := o.candidates(o.floor, func(u *update) bool { return u.outcome != acknowledged })
		if len(open) == 0 {
			m.violate(o, "no replica is owed anything, all writes of %q are known, and its copies differ: %s", o.key, c.describe(o.key))
		}
	}
}

// judgeReplicas checks that all replicas hold the same, and that this is what
// they may hold.
func (m *model) judgeReplicas(c *comparison, report *report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range c.keys {
		if m.byKey[key] == nil {
			m.violate(nil, "the replicas hold a key that nobody ever put: %q", key)
		}
	}
	for _, o := range m.objects {
		if !c.equal(o.key) {
			m.violate(o, "after a repair the copies of %q differ: %s", o.key, c.describe(o.key))
			continue
		}
		report.compared++
		held := c.copies[o.key]
		floor := max(o.floor, o.strongFloor)
		if len(held) == 0 || held[0].tombstone {
			if len(o.candidates(floor, deletes)) == 0 {
				m.violate(o, "all replicas lack %q, which was stored and not deleted; %s", o.key, o.newest(floor))
			}
			continue
		}
		i, _ := parseContentType(held[0].contentType)
		u := o.find(i)
		switch {
		case u == nil || u.deletes:
			m.violate(o, "all replicas hold what nobody ever put at %q: %s", o.key, held[0])
		case held[0].wrong != "":
			m.violate(o, "all replicas hold a wrong value of %s: %s", u, held[0].wrong)
		case !u.allowed(floor):
			m.violate(o, "all replicas hold %s, which is in the past; %s", u, o.newest(floor))
		default:
			// From here on it is what every read must return.
			o.floor = max(o.floor, u.start)
			report.stored++
		}
	}
}

// readAll starts a host, reads every key at both levels, lists everything, and
// stops the host.
func (r *run) readAll() error {
	if err := r.startHost(); err != nil {
		return err
	}
	if err := r.await("all backends to serve", (*status).serving); err != nil {
		return err
	}
	store := r.store()
	readings := make(map[string]*reading)
	for _, o := range r.model.objects {
		for kind, level := range map[string]storage.Consistency{
			kindGet: storage.ConsistencyDefault, kindStrongGet: storage.ConsistencyStrong,
		} {
			if err := r.until("a read of "+o.key, func() (string, bool) {
				return "it fails", read(r.life, r, store, o, kind, level)
			}); err != nil {
				return err
			}
		}
		readings[o.key] = r.model.read(o, kindList, true)
	}
	objects, err := listing(r.life, store)
	if err != nil {
		return err
	}
	judge(r, objects, readings)
	return r.stopHost()
}
