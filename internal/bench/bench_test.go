package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// The test binary is the stock plugin and the project too, as the program is.
func TestMain(m *testing.M) {
	if serveAsTold() {
		return
	}
	goleak.VerifyTestMain(m)
}

// brief is enough to see that all is measured.
var brief = extent{rounds: 2, turn: 5 * time.Millisecond}

func TestAllContestantsAreMeasuredAndWrittenDown(t *testing.T) {
	cases := []benchCase{{"put", 128, 1}, {"get", 4096, 4}}
	results, err := measureTransports(t.Context(), buildPlugin(t, "local"), cases, brief, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	figures := make(map[string]figure)
	addResults(figures, "", nameStock, results)
	checkWritten(
		t, figures,
		"put/128/1/stock/p50_us", "put/128/1/builtin/p50_us", "put/128/1/child/p50_us",
		"get/4096/4/stock/ops_per_s", "get/4096/4/builtin/ops_per_s", "get/4096/4/child/ops_per_s",
		"put/128/1/child/times_stock", "get/4096/4/builtin/times_stock",
	)
	var table strings.Builder
	printTransports(&table, results)
	if got := strings.Count(table.String(), "\n"); got != 3+1+len(cases) {
		t.Errorf("the table has %d lines:\n%s", got, &table)
	}
}

// checkWritten writes figures and reads those with the keys back.
func checkWritten(t *testing.T, figures map[string]figure, keys ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench", "latest.json")
	if err := writeFigures(path, describeEnvironment(time.Now(), brief), figures); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if f := doc.Figures[key]; f.Median <= 0 || f.Min > f.Median || f.Max < f.Median || f.Rounds != brief.rounds {
			t.Errorf("figure %s is %+v", key, f)
		}
	}
}

func TestRoundsAreSummedUp(t *testing.T) {
	for name, test := range map[string]struct {
		rounds []float64
		want   figure
	}{
		"one":           {[]float64{3}, figure{3, 3, 3, 1}},
		"an odd number": {[]float64{9, 1, 4}, figure{4, 1, 9, 3}},
		"an even one":   {[]float64{9, 1, 4, 6}, figure{5, 1, 9, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, summarize(test.rounds)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARatioOverOneIsBetterThanTheBase(t *testing.T) {
	rounds := map[string][]float64{nameStock: {100, 200}, nameChild: {50, 400}}
	for name, test := range map[string]struct {
		callers int
		want    []float64
	}{
		"latency":    {1, []float64{2, 0.5}},
		"throughput": {64, []float64{0.5, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			r := result{benchCase{"get", 128, test.callers}, rounds}
			if diff := cmp.Diff(test.want, r.times(nameStock, nameChild)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// buildPlugin builds a plugin as a host will launch it and returns its directory.
func buildPlugin(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "stowage-plugin-"+name)
	build := exec.Command("go", "build", "-o", binary, "github.com/p2p-ai-agents/stowage/plugins/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	for _, path := range []string{dir, filepath.Dir(dir), binary} {
		if err := os.Chmod(path, 0o755); err != nil { // group-writable is refused at launch
			t.Fatal(err)
		}
	}
	return dir
}
