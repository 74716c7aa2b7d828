package main

import (
	"strconv"
	"strings"
)

// printable quotes a key that would disturb a line or a terminal.
func printable(key string) string {
	quoted := strconv.Quote(key)
	if quoted == `"`+key+`"` && strings.TrimSpace(key) == key {
		return key
	}
	return quoted
}

// harmless spells out what a terminal would obey rather than show. Plugins have
// a say in errors and reasons.
func harmless(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
