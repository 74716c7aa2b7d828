package storetest

import (
	"os"
	"strconv"
	"testing"
	"testing/synctest"
)

// inBubble runs f in a synctest bubble. A panic of f, which is how rapid ends a
// check, goes on outside.
func inBubble(t *testing.T, f func()) {
	t.Helper()
	var panicked any
	synctest.Test(t, func(*testing.T) {
		defer func() { panicked = recover() }()
		f()
	})
	if panicked != nil {
		panic(panicked)
	}
}

// setting is a number from the environment, for long runs.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, value)
	}
	return n
}
