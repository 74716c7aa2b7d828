package storetest

import (
	"slices"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (m *machine) key(rt *rapid.T) string { return rapid.SampledFrom(keys()).Draw(rt, "key") }

// reads asks for some keys.
func (m *machine) reads(rt *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(rt, "reads") {
		m.ask(request{
			op:  rapid.SampledFrom([]string{"get", "get", "stat"}).Draw(rt, "op"),
			key: m.key(rt), level: rapid.SampledFrom(m.levels).Draw(rt, "level"),
			session: rapid.Bool().Draw(rt, "session"), timeout: m.timeout(rt),
		})
	}
}

// writes changes some keys.
func (m *machine) writes(rt *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(rt, "writes") {
		m.ask(m.aWrite(rt))
	}
}

func (m *machine) aWrite(rt *rapid.T) request {
	r := request{op: "delete", key: m.key(rt), session: true, timeout: m.timeout(rt)}
	if rapid.IntRange(0, 3).Draw(rt, "put") > 0 {
		r = m.aPut(rt, r)
	}
	if m.caps.ConditionalPut && m.caps.ConditionalDelete {
		r = m.aCondition(rt, r)
	}
	return r
}

func (m *machine) aPut(rt *rapid.T, r request) request {
	m.ids++
	r.op, r.id = "put", m.ids
	r.size = rapid.SampledFrom([]int{0, 0, 100, 5_000, 300_000}).Draw(rt, "size")
	if m.caps.TTL {
		r.ttl = rapid.SampledFrom([]time.Duration{0, 0, 0, time.Minute, time.Hour}).Draw(rt, "ttl")
	}
	return r
}

func (m *machine) aCondition(rt *rapid.T, r request) request {
	switch rapid.IntRange(0, 7).Draw(rt, "condition") {
	case 0:
		r.cond = storage.IfExists()
	case 1:
		if r.op == "put" {
			r.cond = storage.IfAbsent()
		}
	case 2, 3:
		etags := m.model.etags[r.key]
		var known []string
		for etag := range etags {
			known = append(known, etag)
		}
		slices.SortFunc(known, func(a, b string) int { return etags[b] - etags[a] }) // the newest first
		if len(known) > 0 {
			i := min(rapid.IntRange(0, 3).Draw(rt, "etag"), len(known)-1)
			r.cond, r.expect = storage.IfETag(known[i]), etags[known[i]]
		}
	}
	return r
}

// timeout is that of a caller without patience, now and then.
func (m *machine) timeout(rt *rapid.T) time.Duration {
	if rapid.IntRange(0, 15).Draw(rt, "patience") > 0 {
		return 0
	}
	return time.Duration(rapid.IntRange(1, 40).Draw(rt, "timeout")) * time.Millisecond
}

// race writes to one key from several callers at a time.
func (m *machine) race(rt *rapid.T) {
	key := m.key(rt)
	var requests []request
	for range rapid.IntRange(2, 4).Draw(rt, "writers") {
		r := request{op: "delete", key: key, timeout: m.timeout(rt)}
		if rapid.Bool().Draw(rt, "put") {
			r = m.aPut(rt, r)
		}
		requests = append(requests, r)
	}
	m.together(requests, func() {})
}

// together performs unconditional writes to one key at a time, and meanwhile what
// else there is to do.
func (m *machine) together(requests []request, meanwhile func()) {
	replies := make([]reply, len(requests))
	var callers sync.WaitGroup
	from := time.Now()
	for i, r := range requests {
		if r.op == "put" {
			m.model.wrote(r.key, r.id, r.ttl)
		}
		callers.Go(func() { replies[i] = m.host.perform(r) })
	}
	meanwhile()
	callers.Wait()
	c := m.model.cell(requests[0].key)
	before := c.clone()
	after := c.clone()
	after.writes++
	for i, r := range requests {
		*c = before.clone()
		for _, other := range requests { // it can have come after any other
			c.uncertain(other.id)
		}
		m.learn(r, replies[i], from)
	}
	var acknowledged []int
	for i, r := range requests {
		if replies[i].outcome == done {
			acknowledged = append(acknowledged, r.id)
		}
	}
	if len(acknowledged) > 0 {
		after.acknowledged(acknowledged...)
	}
	for i, r := range requests {
		if replies[i].outcome == unknown {
			after.uncertain(r.id)
		}
	}
	*c = after
}

// pass lets time pass.
func (m *machine) pass(rt *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, latency, time.Second, 10 * time.Second, 2 * time.Minute, 2 * time.Hour}).Draw(rt, "time"))
}

// restartHost ends the host in one way or the other and opens it again.
func (m *machine) restartHost(rt *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(rt, "how") {
	case 0:
		m.check(m.host.restart())
	case 1:
		m.check(m.host.kill())
	case 2:
		r := m.aPut(rt, request{key: m.key(rt)})
		after := time.Duration(rapid.IntRange(0, 60).Draw(rt, "after")) * time.Millisecond
		m.together([]request{r}, func() {
			time.Sleep(after)
			m.check(m.host.kill())
		})
	default:
		// Anything drawn here would make killing less rare than it should be.
	}
	m.model.restarted()
}

func (m *machine) check(err error) {
	if err != nil {
		m.fail("restart the host: %w", err)
	}
}

// disturbed says that errors are to be expected until all has settled.
func (m *machine) disturbed() {
	m.quiet = false
	for i, is := range m.host.faulty() {
		m.faulty[i] = m.faulty[i] || is
	}
}

// fault has something happen to one of the next operations of a child.
func (m *machine) fault(rt *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(rt, "faults") {
		m.child(rt).Inject(Fault{
			Kind: rapid.SampledFrom([]FaultKind{FailBefore, LoseAnswer, Late, Vanish, BreakBody}).Draw(rt, "fault"),
			Op:   rapid.SampledFrom([]string{"", "put", "put", "get", "stat", "delete"}).Draw(rt, "of"),
			Code: rapid.SampledFrom([]storage.Code{storage.CodeUnavailable, storage.CodeDeadlineExceeded, storage.CodeThrottled, storage.CodeInternal}).Draw(rt, "code"),
		})
	}
	m.disturbed()
}

func (m *machine) child(rt *rapid.T) *Child {
	return m.host.children[rapid.IntRange(0, len(m.host.children)-1).Draw(rt, "child")]
}

// trouble takes a child down.
func (m *machine) trouble(rt *rapid.T) {
	c := m.child(rt)
	switch rapid.IntRange(0, 4).Draw(rt, "trouble") {
	case 0:
		c.Stop()
	case 1:
		c.Crash()
		if c.opts.Volatile && !m.harness.Lossy(c.Name()) {
			m.model.lost()
		}
	case 2:
		c.Hang()
	case 3:
		c.SetChances(Even(float64(rapid.IntRange(1, 8).Draw(rt, "chance")) / 10))
	default:
		for _, c := range m.host.children {
			c.Sync()
		}
		m.model.synced()
	}
	m.disturbed()
}

// recover ends the trouble of a child.
func (m *machine) recover(rt *rapid.T) { m.child(rt).Heal() }
