package storagetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestReportReadsAsATable(t *testing.T) {
	report := storagetest.Report{Prefix: "storagetest-x/", Leftovers: []string{"storagetest-x/1/k"}, Results: []storagetest.Result{
		{Name: "get/a", Group: "get", Status: storagetest.Passed, Duration: 1500 * time.Microsecond},
		{Name: "watch/bb", Group: "watch", Status: storagetest.Skipped, Reason: "without Watch"},
		{Name: "put/c", Group: "put", Status: storagetest.Failed, Reason: "expected 1\ngot 2", Duration: time.Second},
	}}
	want := `passed   get/a     2ms  
skipped  watch/bb  0s   without Watch
failed   put/c     1s   

put/c
    expected 1
    got 2

1 keys could not be deleted; all begin with "storagetest-x/"

1 passed, 1 failed, 1 skipped
`
	var b strings.Builder
	n, err := report.WriteTo(&b)
	if err != nil || n != int64(len(want)) || b.String() != want {
		t.Errorf("wrote %d bytes, %v:\n%s\nwant:\n%s", n, err, b.String(), want)
	}
	if err := report.Err(); err == nil || err.Error() != "1 of 3 conformance cases failed: put/c" {
		t.Errorf("the error is %v", err)
	}
	if err := (storagetest.Report{Results: report.Results[:2]}).Err(); err != nil {
		t.Errorf("nothing failed and the error is %v", err)
	}
}

func results(report storagetest.Report) map[string]storagetest.Result {
	byName := make(map[string]storagetest.Result)
	for _, r := range report.Results {
		byName[r.Name] = r
	}
	return byName
}

func TestCaseNamesAreUniqueAndStable(t *testing.T) {
	report := check(t, newMemory(), storagetest.Options{MaxValueBytes: 1 << 10})
	if len(results(report)) != len(report.Results) {
		t.Error("two cases have the same name")
	}
	for _, r := range report.Results {
		group, name, ok := strings.Cut(r.Name, "/")
		if !ok || group != r.Group || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("case %q of group %q", r.Name, r.Group)
		}
	}
}

func TestOptionsLeaveCasesOutAndSayWhy(t *testing.T) {
	m := newMemory()
	report := check(t, m, storagetest.Options{
		MaxValueBytes: 1 << 10, KeepOpen: true,
		Skip: map[string]string{"watch": "polls", "put/a-value-comes-back": "known"},
	})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	byName := results(report)
	for name, reason := range map[string]string{
		"watch/puts-and-deletes-are-reported": "left out: polls",
		"put/a-value-comes-back":              "left out: known",
		"keys/keys-of-one-byte-are-kept":      "without Options.Alone",
		"durability/objects-survive":          "without Options.Reopen",
		"close/close-is-idempotent":           "without closing (Options.KeepOpen is set)",
		"undeclared/a-watch-is-unimplemented": "declares Watch",
	} {
		if got := byName[name]; got.Status != storagetest.Skipped || got.Reason != reason {
			t.Errorf("%s: %v, %q; want it skipped: %q", name, got.Status, got.Reason, reason)
		}
	}
	if m.closed.Load() {
		t.Error("the backend was closed")
	}
}

func TestCheckTouchesOnlyItsPrefix(t *testing.T) {
	m := newMemory()
	mine, err := m.Put(t.Context(), "mine", strings.NewReader("v"), storage.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	report := check(t, m, storagetest.Options{Prefix: "tests/", MaxValueBytes: 1 << 10})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if len(m.objects) != 1 || m.objects["mine"].ETag != mine.Object.ETag {
		t.Errorf("%d objects are left", len(m.objects))
	}
	if !strings.HasPrefix(report.Prefix, "tests/storagetest-") {
		t.Errorf("the prefix is %q", report.Prefix)
	}
	for _, e := range m.events {
		if e.Key != "mine" && !strings.HasPrefix(e.Key, report.Prefix) {
			t.Errorf("the key %q was touched", e.Key)
		}
	}
}

func TestCheckStopsWhenItsContextIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := storagetest.Check(ctx, newMemory(), storagetest.Options{})
	if report.Err() == nil {
		t.Error("a run that was canceled passed")
	}
	if slices.ContainsFunc(report.Results, func(r storagetest.Result) bool { return r.Status == storagetest.Passed }) {
		t.Error("a case passed that was not run")
	}
}

func TestAHangAndAPanicFailOneCaseEach(t *testing.T) {
	m := newMemory()
	var calls atomic.Int64
	report := check(t, &hooked{memory: m, health: func(ctx context.Context) error {
		switch calls.Add(1) {
		case 1:
			panic("no health")
		case 2:
			time.Sleep(time.Hour) // the clock of a synctest bubble
		}
		return m.usable(ctx)
	}}, storagetest.Options{MaxValueBytes: 1 << 10})
	byName := results(report)
	if r := byName["health/an-open-backend-is-healthy"]; !strings.HasPrefix(r.Reason, "panic: no health") {
		t.Errorf("the case that panicked says %q", r.Reason)
	}
	if r := byName["health/checking-writes-nothing"]; !strings.Contains(r.Reason, "still hangs") {
		t.Errorf("the case that hung says %q", r.Reason)
	}
	if n := report.Count(storagetest.Failed); n != 2 {
		t.Errorf("%d cases failed: %v", n, report.Err())
	}
}

func TestKeysThatCannotBeDeletedAreNamed(t *testing.T) {
	m := newMemory()
	report := check(t, &hooked{memory: m, del: func(context.Context, string, storage.DeleteOptions) (storage.Deleted, error) {
		return storage.Deleted{}, storage.Errorf(storage.CodePermissionDenied, "write once")
	}}, storagetest.Options{MaxValueBytes: 1 << 10, Skip: map[string]string{"load": "stores much", "pages": "stores much"}})
	for key := range m.objects {
		if !slices.Contains(report.Leftovers, key) {
			t.Errorf("%q is left and not named", key)
		}
	}
	if len(m.objects) == 0 {
		t.Error("nothing is left")
	}
}

func ExampleCheck() {
	backend := newMemory() // yours
	report := storagetest.Check(context.Background(), backend, storagetest.Options{
		Skip: map[string]string{"ttl/the-longest-ttl-is-accepted": "the server allows a year"},
	})
	fmt.Println(report.Err() == nil, report.Count(storagetest.Failed), "failed")
	// Output: true 0 failed
}

func BenchmarkReference(b *testing.B) {
	storagetest.Bench(b, storagetest.Harness{Open: func(testing.TB) storage.Backend { return newMemory() }})
}
