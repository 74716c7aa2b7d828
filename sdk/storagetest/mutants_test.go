package storagetest_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

var update = flag.Bool("update", false, "write testdata/faults.txt anew; a person should look at the difference")

// mutant is the reference with one fault.
type mutant struct {
	name  string
	fault func(m *memory) storage.Backend
}

// TestEachFaultTurnsItsCasesRed is the proof that the kit can fail: every
// fault is noticed by exactly the cases that testdata/faults.txt names below
// it. A case with a "?" notices it only if the goroutines meet.
func TestEachFaultTurnsItsCasesRed(t *testing.T) {
	mutants := slices.Concat(readMutants(), writeMutants(), conditionMutants(), listMutants(), batchMutants(), watchMutants(), lifeMutants())
	golden := filepath.Join("testdata", "faults.txt")
	want := readFaults(t, golden)
	if !*update && len(want) != len(mutants) {
		t.Errorf("%s names %d faults, %d are tried", golden, len(want), len(mutants))
	}
	var mu sync.Mutex
	got := make(map[string]map[string]bool)
	t.Run("faults", func(t *testing.T) {
		for _, m := range mutants {
			t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				red := redCases(t, m)
				mu.Lock()
				got[m.name] = red
				mu.Unlock()
				if !*update {
					compareRed(t, red, want[m.name])
				}
			})
		}
	})
	if *update {
		writeFaults(t, golden, got, want)
	}
}

// redCases runs the kit on the mutant and returns the cases that failed.
func redCases(t *testing.T, m mutant) map[string]bool {
	current := newMemory()
	current.limit = 200_000 // many runs, so small values
	report := check(t, m.fault(current), storagetest.Options{
		Alone: true, Concurrency: 4, MaxValueBytes: 64 << 10,
		Reopen: func(ctx context.Context, b storage.Backend) (storage.Backend, error) {
			if err := b.Close(ctx); err != nil {
				return nil, err
			}
			current = &memory{disk: current.disk}
			return m.fault(current), nil
		},
	})
	red := make(map[string]bool)
	for _, res := range report.Results {
		if res.Status == storagetest.Failed {
			red[res.Name] = true
			if res.Reason == "" {
				t.Errorf("%s failed without a reason", res.Name)
			}
		}
	}
	if (report.Err() == nil) != (len(red) == 0) {
		t.Errorf("%d cases failed and the report's error is %v", len(red), report.Err())
	}
	return red
}

// compareRed takes the cases that must be red (true) and may be (false).
func compareRed(t *testing.T, red, want map[string]bool) {
	t.Helper()
	for name, must := range want {
		if must && !red[name] {
			t.Errorf("%s did not notice it", name)
		}
	}
	for name := range red {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not about it and failed", name)
		}
	}
}

// readFaults returns for each fault its cases, true for those that must fail.
func readFaults(t *testing.T, file string) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	faults := make(map[string]map[string]bool)
	var cases map[string]bool
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch name, indented := strings.CutPrefix(line, "\t"); {
		case line == "":
		case !indented:
			cases = make(map[string]bool)
			faults[name] = cases
		default:
			maybe, uncertain := strings.CutPrefix(name, "? ")
			cases[maybe] = !uncertain
		}
	}
	return faults
}

func writeFaults(t *testing.T, file string, got, old map[string]map[string]bool) {
	t.Helper()
	var b strings.Builder
	for _, fault := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "%s\n", fault)
		cases := maps.Clone(got[fault])
		for name, must := range old[fault] {
			if !must {
				cases[name] = false
			}
		}
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			mark := ""
			if !cases[name] {
				mark = "? "
			}
			fmt.Fprintf(&b, "\t%s%s\n", mark, name)
		}
		b.WriteByte('\n')
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
