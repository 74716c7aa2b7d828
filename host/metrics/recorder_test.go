package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func failed(backend string, op event.Op, code storage.Code) event.OperationInfo {
	return event.OperationInfo{Backend: backend, Op: op, Err: code, Code: code, Duration: time.Millisecond}
}

func TestSnapshotCountsOperations(t *testing.T) {
	r := New()
	l := r.Listener()
	l.Operation(event.OperationInfo{Backend: "disk", Plugin: "local", Op: event.OpGet, Duration: time.Millisecond, BytesRead: 10})
	l.Operation(event.OperationInfo{Backend: "disk", Plugin: "local", Op: event.OpPut, Duration: 3 * time.Millisecond, BytesWritten: 20})
	l.Operation(failed("disk", event.OpGet, storage.CodeNotFound))
	l.Operation(failed("disk", event.OpGet, storage.CodeUnavailable))
	l.Operation(failed("cloud", event.OpGet, storage.CodeCanceled))

	s := r.Snapshot()
	disk := s.Backends["disk"]
	if disk.Plugin != "local" {
		t.Errorf("plugin %q, want local", disk.Plugin)
	}
	if got := disk.Operations["get"]; got.Count != 3 || got.Failed != 1 || got.BytesRead != 10 ||
		got.Errors["NotFound"] != 1 || got.Errors["Unavailable"] != 1 {
		t.Errorf("gets of disk: %+v", got)
	}
	if got := disk.Operations["get"].SuccessRate; got < 0.66 || got > 0.67 {
		t.Errorf("success rate %v, want two thirds: NotFound is an answer, Unavailable is not", got)
	}
	if disk.Total.Count != 4 || disk.Total.BytesWritten != 20 || disk.Total.Latency.Max != 3*time.Millisecond {
		t.Errorf("total of disk: %+v", disk.Total)
	}
	if s.Total.Count != 5 || s.Total.Failed != 1 || s.Total.Errors["Canceled"] != 1 {
		t.Errorf("total: %+v", s.Total)
	}
	if _, ok := disk.Operations["delete"]; ok {
		t.Error("an operation that did not occur is listed")
	}
	if s.Since.IsZero() || time.Since(s.Since) > time.Hour {
		t.Errorf("counting since %v", s.Since)
	}
}

func TestSnapshotCountsTheRest(t *testing.T) {
	r := New()
	l := r.Listener()
	l.Cache(event.CacheInfo{Policy: "hot", Hit: true})
	l.Cache(event.CacheInfo{Policy: "hot", Hit: true})
	l.Cache(event.CacheInfo{Policy: "hot"})
	l.Cache(event.CacheInfo{Policy: "warm"})
	l.Retry(event.RetryInfo{Backend: "disk"})
	l.Retry(event.RetryInfo{Backend: "disk", BudgetSpent: true})
	l.Failover(event.FailoverInfo{Policy: "safe", From: "backend.disk", To: "policy.far"})
	l.Failover(event.FailoverInfo{Policy: "safe", From: "policy.far", To: "backend.disk"})
	l.BreakerChanged(event.BreakerInfo{Backend: "disk", State: event.BreakerOpen})
	l.BreakerChanged(event.BreakerInfo{Backend: "disk", State: event.BreakerHalfOpen})

	s := r.Snapshot()
	if s.Caches["hot"].Hits != 2 || s.Cache.Hits != 2 || s.Cache.Misses != 2 || s.Cache.HitRate != 0.5 {
		t.Errorf("caches %+v, together %+v", s.Caches, s.Cache)
	}
	disk := s.Backends["disk"]
	if disk.Retries != 1 || disk.RetriesRefused != 1 || disk.Failovers != 1 || disk.Breaker != "half-open" || disk.BreakerTrips != 1 {
		t.Errorf("disk: %+v", disk)
	}
	if got := s.Policies["safe"].Failovers; got != 2 {
		t.Errorf("%d failovers of the policy, want 2", got)
	}
	if len(s.Backends) != 1 {
		t.Errorf("a policy that was passed over counts as a backend: %v", s.Backends)
	}
	r.Forget("disk")
	if _, ok := r.Snapshot().Backends["disk"]; ok {
		t.Error("a forgotten backend is still there")
	}
}

func TestStatsAreSnakeCaseJSON(t *testing.T) {
	r := New()
	r.Listener().Operation(event.OperationInfo{Backend: "disk", Op: event.OpGet})
	raw, err := json.Marshal(r.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"since"`, `"success_rate":1`, `"bytes_read"`, `"p99_ns"`, `"hit_rate"`, `"retries_refused"`, `"errors":{}`} {
		if !strings.Contains(string(raw), name) {
			t.Errorf("%s is not in %s", name, raw)
		}
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	l := New().Listener()
	info := event.OperationInfo{Backend: "disk", Plugin: "local", Op: event.OpGet, Key: "k", Duration: time.Millisecond}
	l.Operation(info)
	if n := testing.AllocsPerRun(100, func() { l.Operation(info) }); n != 0 {
		t.Errorf("recording allocates %v times", n)
	}
}

func TestBackendsAreBounded(t *testing.T) {
	r := New()
	l := r.Listener()
	for i := range MaxBackends + 50 {
		l.Operation(event.OperationInfo{Backend: fmt.Sprint("b", i), Op: event.OpGet})
	}
	s := r.Snapshot()
	if len(s.Backends) > MaxBackends+1 {
		t.Errorf("%d backends are told apart", len(s.Backends))
	}
	if got := s.Backends[OtherBackends].Total.Count; got != 50 {
		t.Errorf("%d operations of other backends, want 50", got)
	}
}

func TestNothingIsLostConcurrently(t *testing.T) {
	r := New()
	l := r.Listener()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				l.Operation(event.OperationInfo{Backend: "b", Op: event.Op(i % int(event.NumOps)), Duration: time.Duration(i)})
				if i%100 == 0 {
					r.Snapshot()
				}
			}
		})
	}
	wg.Wait()
	if got := r.Snapshot().Total.Count; got != 8000 {
		t.Errorf("%d operations counted, want 8000", got)
	}
}

func TestPrometheusPage(t *testing.T) {
	r := New()
	l := r.Listener()
	l.Operation(event.OperationInfo{Backend: "disk", Op: event.OpGet, Duration: 3 * time.Millisecond, BytesRead: 10})
	l.Operation(failed("disk", event.OpGet, storage.CodeNotFound))
	l.Cache(event.CacheInfo{Policy: "hot", Hit: true})
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	page := rec.Body.String()
	for _, line := range []string{
		`stowage_operations_total{backend="disk",code="OK",operation="get"} 1`,
		`stowage_operations_total{backend="disk",code="NotFound",operation="get"} 1`,
		`stowage_operation_duration_seconds_count{backend="disk",operation="get"} 2`,
		`stowage_operation_duration_seconds_bucket{backend="disk",operation="get",le="0.001048576"} 1`,
		`stowage_operation_duration_seconds_bucket{backend="disk",operation="get",le="0.004194304"} 2`,
		`stowage_read_bytes_total{backend="disk",operation="get"} 10`,
		`stowage_breaker_state{backend="disk"} 0`,
		`stowage_cache_hits_total{policy="hot"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(page, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}
