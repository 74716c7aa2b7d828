package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// maxRemembered bounds what is remembered of one key, and of the torment, to be
// shown if something is wrong.
const maxRemembered = 400

// history is what happened to a key, or to the processes.
type history struct {
	lines []line
	next  int // of a ring, once it is full
}

type line struct {
	at   time.Duration
	text string
}

func (h *history) note(at time.Duration, format string, args ...any) {
	l := line{at, fmt.Sprintf(format, args...)}
	if len(h.lines) < maxRemembered {
		h.lines = append(h.lines, l)
		return
	}
	h.lines[h.next] = l
	h.next = (h.next + 1) % maxRemembered
}

// writeTo prints histories as one, in the order of time.
func writeTo(w io.Writer, histories ...*history) {
	var all []line
	for _, h := range histories {
		all = append(all, h.lines...)
	}
	slices.SortStableFunc(all, func(a, b line) int { return int(a.at - b.at) })
	for _, l := range all {
		fmt.Fprintf(w, "  %10.6f  %s\n", l.at.Seconds(), l.text)
	}
}
