package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// logLines is how many of the last lines a [Log] keeps.
const logLines = 20_000

// Log keeps what happened at children and between them and their host, for
// whoever has to understand a failure. A nil Log keeps nothing.
type Log struct {
	mu    sync.Mutex
	begun time.Time
	lines []line
}

type line struct {
	at        time.Duration
	who, what string
	key, how  string
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{begun: time.Now()} }

func (l *Log) note(who, what string) { l.op(who, what, "", "") }

func (l *Log) op(who, op, key, how string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == logLines {
		l.lines = l.lines[logLines/2:]
	}
	l.lines = append(l.lines, line{time.Since(l.begun), who, op, key, how})
}

// String is the log, one operation a line, with the time since its beginning.
func (l *Log) String() string { return l.Last(logLines) }

// Last is the end of the log.
func (l *Log) Last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, e := range l.lines[max(0, len(l.lines)-n):] {
		fmt.Fprintf(&b, "%12v  %-8s %s", e.at, e.who, e.what)
		if e.key != "" {
			fmt.Fprintf(&b, " %q", e.key)
		}
		if e.how != "" {
			fmt.Fprintf(&b, ": %s", e.how)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
