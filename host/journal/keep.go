package journal

import (
	"strings"

	"github.com/p2p-ai-agents/stowage/internal/turn"
)

// keeping begins the names of logs that drop no debt. It is part of the name so
// that it holds when the journal is opened, before any policy is built.
const keeping = "keeping:"

// Keeping returns a log of a policy that drops no debt: one whose policy cannot
// find by a scan what a target lacks. It is another log than that of Log. Its
// targets never become dirty by themselves, whatever they owe and for how long;
// instead the policy asks Full before it lets a target owe more. All its entries
// are ripe: a write that is under way has the key's turn, see Turns, and so has
// who pays.
func (j *Journal) Keeping(policy string) *Log { return j.Log(keeping + policy) }

func isKeeping(log string) bool { return strings.HasPrefix(log, keeping) }

// Full reports whether target owes as many bytes as MaxBytes allows. It is
// cheap.
func (l *Log) Full(target string) bool {
	l.journal.mu.RLock()
	defer l.journal.mu.RUnlock()
	t := l.targets[target]
	return t != nil && t.bytes >= l.journal.maxBytes
}

// Turns gives turns at the keys of the log. They are the same for all that use
// the log: while a policy is replaced, its successor and it.
func (l *Log) Turns() *turn.Keys { return &l.turns }
