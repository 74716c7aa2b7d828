package metrics

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
)

func TestEveryPolicyEventHasItsCount(t *testing.T) {
	r := New()
	l := r.Listener()
	for e := range event.NumPolicyEvents {
		for range int(e) + 1 {
			l.Policy(event.PolicyInfo{Policy: "safe", Event: e, Child: "backend.disk"})
		}
	}
	raw, err := json.Marshal(r.Snapshot().Policies["safe"])
	if err != nil {
		t.Fatal(err)
	}
	var counts map[string]any
	if err := json.Unmarshal(raw, &counts); err != nil {
		t.Fatal(err)
	}
	for e := range event.NumPolicyEvents {
		if got := counts[e.String()]; got != float64(e)+1 {
			t.Errorf("%s: %v, want %d", e, got, e+1)
		}
	}
	l.Policy(event.PolicyInfo{Policy: "safe", Event: event.NumPolicyEvents}) // one of a newer program is not counted
}

func TestTheFiguresOfACacheAreThoseOfItsPolicy(t *testing.T) {
	r := New()
	l := r.Listener()
	l.Cache(event.CacheInfo{Policy: "hot", Hit: true})
	l.Cache(event.CacheInfo{Policy: "hot"})
	l.Policy(event.PolicyInfo{Policy: "safe", Event: event.Repaired})
	s := r.Snapshot()
	if hot := s.Policies["hot"]; hot.Hits != 1 || hot.HitRate != 0.5 || hot.CacheStats != s.Caches["hot"] {
		t.Errorf("hot: %+v and %+v", hot, s.Caches["hot"])
	}
	if _, isCache := s.Caches["safe"]; isCache {
		t.Error("a policy that never looked into a cache is among the caches")
	}
}

func TestBacklogsAreReadWithTheCounters(t *testing.T) {
	r := New()
	r.ReadBacklogs(func() map[string][]Backlog {
		return map[string][]Backlog{"safe": {
			{Target: "backend.disk", Entries: 3, Bytes: 200, Oldest: time.Now().Add(-time.Hour)},
			{Target: "policy.far", Dirty: true, Reason: "too old"},
		}}
	})
	if got := r.Snapshot().Policies["safe"].Backlogs; len(got) != 2 || got[0].Entries != 3 || !got[1].Dirty {
		t.Errorf("%+v", got)
	}
	r.Listener().Policy(event.PolicyInfo{Policy: "safe", Event: event.Hinted})
	r.Listener().Failover(event.FailoverInfo{Policy: "safe"})
	if got := r.Snapshot().Policies["safe"]; len(got.Backlogs) != 2 || got.Hinted != 1 {
		t.Errorf("%+v", got)
	}
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	page := rec.Body.String()
	for _, line := range []string{
		`stowage_policy_events_total{event="hinted",policy="safe"} 1`,
		`stowage_policy_failovers_total{policy="safe"} 1`,
		`stowage_policy_backlog_entries{child="backend.disk",policy="safe"} 3`,
		`stowage_policy_backlog_bytes{child="backend.disk",policy="safe"} 200`,
		`stowage_policy_backlog_age_seconds{child="backend.disk",policy="safe"} 3600`,
		`stowage_policy_backlog_age_seconds{child="policy.far",policy="safe"} 0`,
		`stowage_policy_child_dirty{child="backend.disk",policy="safe"} 0`,
		`stowage_policy_child_dirty{child="policy.far",policy="safe"} 1`,
	} {
		if !strings.Contains(page, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	if strings.Contains(page, `event="replayed"`) {
		t.Error("an event that did not occur is on the page")
	}
}

func TestCountingWhatPoliciesDoDoesNotAllocate(t *testing.T) {
	l := New().Listener()
	told := event.PolicyInfo{Policy: "safe", Event: event.Repaired, Child: "backend.disk", Key: "k"}
	failover := event.FailoverInfo{Policy: "safe", From: "backend.disk", To: "backend.cloud"}
	look := event.CacheInfo{Policy: "hot", Hit: true}
	count := func() {
		l.Policy(told)
		l.Failover(failover)
		l.Cache(look)
	}
	count()
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("counting allocates %v times", n)
	}
}
