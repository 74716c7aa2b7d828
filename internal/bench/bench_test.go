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

	"github.com/p2p-ai-agents/stowage/internal/bench/stock"
)

// The test binary is the stock plugin too, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asStock {
		stock.Serve()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestAllContestantsAreMeasuredAndWrittenDown(t *testing.T) {
	const rounds = 2
	measured := []benchCase{{"put", 128, 1}, {"get", 4096, 4}}
	results, err := measureAll(t.Context(), buildPlugin(t), measured, rounds, 5*time.Millisecond, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bench", "latest.json")
	env := describeEnvironment(time.Now(), rounds, 5*time.Millisecond)
	if err := writeFigures(path, env, figuresOf(results)); err != nil {
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
	for _, key := range []string{
		"put/128/1/stock/p50_us", "put/128/1/builtin/p50_us", "put/128/1/child/p50_us",
		"get/4096/4/stock/ops_per_s", "get/4096/4/builtin/ops_per_s", "get/4096/4/child/ops_per_s",
		"put/128/1/child/times_stock", "get/4096/4/builtin/times_stock",
	} {
		if f := doc.Figures[key]; f.Median <= 0 || f.Min > f.Median || f.Max < f.Median || f.Rounds != rounds {
			t.Errorf("figure %s is %+v", key, f)
		}
	}
	var table strings.Builder
	printTable(&table, env, results)
	if got := strings.Count(table.String(), "\n"); got != 3+1+len(measured) {
		t.Errorf("the table has %d lines:\n%s", got, &table)
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

func TestARatioOverOneIsBetterThanStock(t *testing.T) {
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
			if diff := cmp.Diff(test.want, r.timesStock(nameChild)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func buildPlugin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "stowage-plugin-local"), "github.com/p2p-ai-agents/stowage/plugins/local")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	for _, path := range []string{dir, filepath.Dir(dir), filepath.Join(dir, "stowage-plugin-local")} {
		if err := os.Chmod(path, 0o755); err != nil { // group-writable is refused at launch
			t.Fatal(err)
		}
	}
	return dir
}
