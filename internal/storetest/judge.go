package storetest

import (
	"fmt"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// judge says whether a caller may be told rep, between two times, and learns from
// it.
func (m *model) judge(r request, rep reply, from, to time.Time) error {
	if rep.wrong != nil {
		return rep.wrong
	}
	c := m.cell(r.key)
	if rep.object.Key != "" {
		if err := m.object(r.key, rep.id, rep.object); err != nil {
			return fmt.Errorf("%v: %w", r, err)
		}
	}
	if r.writes() {
		return m.judgeWrite(c, r, rep, from, to)
	}
	if rep.outcome == done {
		return m.judgeRead(c, r, rep.id, from, to)
	}
	return nil
}

func (m *model) judgeRead(c *cell, r request, id int, from, to time.Time) error {
	values := c.loose
	switch r.level {
	case storage.ConsistencyStrong:
		values = c.possible
	case storage.ConsistencyEventual:
		values = c.ever
	case storage.ConsistencyCausal:
		if r.session {
			values = c.session
		}
	case storage.ConsistencyDefault:
		if c.forgotten && !m.strict {
			values = c.ever
		}
	}
	stale := r.level == storage.ConsistencyEventual && id == absent
	if !stale && !m.allows(r.key, values, id, from, to) {
		return fmt.Errorf("%v finds %s; it can only have %v", r, name(id), c)
	}
	if r.session {
		c.saw(id)
	}
	if r.level == storage.ConsistencyStrong {
		c.possible = m.narrow(c, id)
	}
	return nil
}

// narrow is what is possible once id was seen, and everybody sees it.
func (m *model) narrow(c *cell, id int) map[int]bool {
	values := set(id)
	if id != absent {
		delete(c.pending, id)
	}
	for p := range c.pending {
		values[p] = true
	}
	return values
}

func (m *model) judgeWrite(c *cell, r request, rep reply, from, to time.Time) error {
	c.writes++
	written := absent
	if r.op == "put" {
		written = r.id
	}
	switch rep.outcome {
	case unknown:
		c.uncertain(written)
	case refused:
		if !m.canRefuse(c, r, rep, from, to) {
			return fmt.Errorf("%v is refused for having the etag %q; it can only have %v", r, rep.current, c)
		}
	case done:
		if !m.canHold(c, r, from, to) {
			return fmt.Errorf("%v happens; before it could only have %v", r, c)
		}
		if rep.existed == storage.No && !m.allows(r.key, c.possible, absent, from, to) ||
			rep.existed == storage.Yes && !m.canExist(c.possible, r.key, from) {
			return fmt.Errorf("%v says that there was one before: %v; it could only have %v", r, rep.existed, c)
		}
		c.acknowledged(written)
	}
	return nil
}

func (m *model) canExist(values map[int]bool, key string, from time.Time) bool {
	for id := range values {
		if id != absent && m.allows(key, values, id, from, from) {
			return true
		}
	}
	return false
}

// canHold reports whether the condition of r can have held.
func (m *model) canHold(c *cell, r request, from, to time.Time) bool {
	switch r.cond.Kind {
	case storage.ConditionAbsent:
		return m.allows(r.key, c.possible, absent, from, to)
	case storage.ConditionExists:
		return m.canExist(c.possible, r.key, from)
	case storage.ConditionETag:
		return r.expect != absent && m.allows(r.key, c.possible, r.expect, from, to)
	default:
		return true
	}
}

// canRefuse reports whether the condition of r can have failed, against what the
// store says there was.
func (m *model) canRefuse(c *cell, r request, rep reply, from, to time.Time) bool {
	against := func(id int) bool {
		switch r.cond.Kind {
		case storage.ConditionAbsent:
			return id != absent
		case storage.ConditionExists:
			return id == absent
		default:
			return id != r.expect || c.copied[id] || m.harness.ManyETags
		}
	}
	current, known := m.etags[r.key][rep.current]
	if rep.current == "" {
		current, known = absent, true
	}
	for id := range c.possible {
		if can, _ := m.expired(r.key, id, to); can && against(absent) && (!known || current == absent) {
			return true
		}
		if against(id) && m.allows(r.key, c.possible, id, from, to) && (!known || current == id) {
			return true
		}
	}
	return false
}

func name(id int) string {
	if id == absent {
		return "nothing"
	}
	return fmt.Sprintf("value %d", id)
}
