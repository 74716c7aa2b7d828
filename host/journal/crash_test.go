package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	childPath    = "STOWAGE_JOURNAL_TEST_PATH"
	childOnce    = "STOWAGE_JOURNAL_TEST_ONCE"
	childWriters = 8
	childKeys    = 5 // of each writer
)

// runChild uses the journal at path until it is killed, and prints every debt
// that is durable and every one that is about to be paid.
func runChild(path string) int {
	j, err := Open(path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("open")
	if os.Getenv(childOnce) != "" {
		return 0
	}
	l := j.Log("safe")
	var group sync.WaitGroup
	for writer := range childWriters {
		group.Go(func() {
			for version := uint64(1); ; version++ {
				key := fmt.Sprintf("%d/%d", writer, rand.IntN(childKeys))
				i := l.Begin(key, version, key, "a", "b")
				i.Done("a")
				if err := i.Wait(context.Background()); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println("owed", key, version) // one write call, whole lines
				i.Acknowledged()
				switch rand.IntN(3) {
				case 0:
					fmt.Println("paid", key, version)
					i.Done("b")
				case 1:
					i.Missed("b")
				case 2:
					i.Missed("b")
					fmt.Println("paid", key, version)
					l.Settle("b", key, version)
				}
			}
		})
	}
	group.Wait()
	return 1
}

func childCommand(t *testing.T, path string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(append(os.Environ(), childPath+"="+path), env...)
	return cmd
}

// openInChild opens the journal in another process for a moment.
func openInChild(t *testing.T, path string) error {
	t.Helper()
	out, err := childCommand(t, path, childOnce+"=1").CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

func TestDebtsSurviveSIGKILL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	// What may be in the journal: debts of earlier rounds were not paid.
	owed := make(map[string]uint64)
	paid := make(map[string]uint64)
	for range 5 {
		lines := runUntilKilled(t, path, 100+rand.IntN(1500))
		round := make(map[string]uint64)
		for _, line := range lines {
			var what, key string
			var version uint64
			if _, err := fmt.Sscan(line, &what, &key, &version); err != nil {
				t.Fatalf("the child said %q: %v", line, err)
			}
			if what == "paid" {
				paid[key] = version
			} else {
				round[key] = version
			}
		}
		if len(round) < childWriters {
			t.Fatalf("only %d keys were written", len(round))
		}
		for key, version := range round {
			owed[key] = version
		}
		checkAfterKill(t, path, owed, paid)
		clear(owed)
		clear(paid)
	}
}

func runUntilKilled(t *testing.T, path string, after int) (lines []string) {
	t.Helper()
	cmd := childCommand(t, path)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		if line := scanner.Text(); strings.Contains(line, " ") {
			lines = append(lines, line)
		}
		if len(lines) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lines
}

// checkAfterKill opens the journal and empties it for the next round.
func checkAfterKill(t *testing.T, path string, owed, paid map[string]uint64) {
	t.Helper()
	j, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := j.Log("safe")
	for key, version := range owed {
		if paid[key] >= version {
			continue
		}
		if found, owes := l.Owes("b", key); !owes || found < version {
			t.Errorf("%s: version %d was durable and not paid; found %d", key, version, found)
		}
	}
	for _, target := range []string{"a", "b"} {
		for _, e := range l.Ripe(target, 1000) {
			if e.Note != e.Key {
				t.Errorf("torn: %+v", e)
			}
			l.Settle(target, e.Key, e.Version)
		}
		if left := l.Backlog(target); left.Entries != 0 {
			t.Errorf("left: %+v", left)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
