package journal

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary its own victim: with a path in the
// environment it is the child process that crash tests kill.
func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		os.Exit(runChild(path))
	}
	goleak.VerifyTestMain(m)
}
