package storagetest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bare hides everything but the seven methods.
type bare struct{ storage.Backend }

func (bare) Capabilities() storage.Capabilities { return storage.Capabilities{} }

func TestTheReferenceConforms(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(testing.TB) storage.Backend { return newMemory() },
		Reopen: func(t testing.TB, b storage.Backend) storage.Backend {
			next, err := reopen(t.Context(), b.(*memory))
			if err != nil {
				t.Fatal(err)
			}
			return next
		},
		Options: storagetest.Options{Alone: true},
	})
}

func TestABackendOfSevenMethodsConforms(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{Open: func(testing.TB) storage.Backend { return bare{newMemory()} }})
}

func check(t *testing.T, b storage.Backend, opts storagetest.Options) storagetest.Report {
	t.Helper()
	var report storagetest.Report
	synctest.Test(t, func(t *testing.T) {
		report = storagetest.Check(t.Context(), b, opts)
		time.Sleep(1000 * time.Hour) // on the bubble's clock: what hung is over by then
	})
	return report
}

func TestCheckRunsEverythingOnTheReference(t *testing.T) {
	m := newMemory()
	report := check(t, m, storagetest.Options{Alone: true, Reopen: func(ctx context.Context, b storage.Backend) (storage.Backend, error) {
		return reopen(ctx, b.(*memory))
	}})
	if err := report.Err(); err != nil {
		t.Errorf("%v\n%v", err, report)
	}
	for _, res := range report.Results {
		if res.Status == storagetest.Skipped && !strings.HasPrefix(res.Reason, "declares ") {
			t.Errorf("%s was skipped: %s", res.Name, res.Reason)
		}
	}
	if len(m.objects) > 0 || len(report.Leftovers) > 0 {
		t.Errorf("%d objects are left, %d are reported", len(m.objects), len(report.Leftovers))
	}
}
