package storage_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestIntersectHoldsWhatBothHold(t *testing.T) {
	full := everything()
	full.Durable, full.Exclusive, full.WatchLatency, full.MaxValueSize = true, true, time.Second, 100
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the test leaves out %s", v.Type().Field(i).Name)
		}
	}
	if got := full.Intersect(full); got != full {
		t.Errorf("with itself it is %+v", got)
	}
	want := storage.Capabilities{Exclusive: true, WatchLatency: time.Second, MaxValueSize: 100}
	if a, b := full.Intersect(storage.Capabilities{}), (storage.Capabilities{}).Intersect(full); a != want || b != want {
		t.Errorf("with nothing it is %+v and %+v, want %+v", a, b, want)
	}
	for _, c := range []struct{ a, b, want int64 }{{0, 0, 0}, {5, 0, 5}, {0, 5, 5}, {5, 7, 5}, {7, 5, 5}} {
		if got := (storage.Capabilities{MaxValueSize: c.a}).Intersect(storage.Capabilities{MaxValueSize: c.b}).MaxValueSize; got != c.want {
			t.Errorf("the limit of %d and %d is %d", c.a, c.b, got)
		}
	}
}

func TestConsistencyNames(t *testing.T) {
	for level, name := range map[storage.Consistency]string{
		storage.ConsistencyDefault: "default", storage.ConsistencyEventual: "eventual", storage.ConsistencyReadYourWrites: "read-your-writes",
		storage.ConsistencyCausal: "causal", storage.ConsistencyStrong: "strong",
	} {
		if got := level.String(); got != name {
			t.Errorf("level %d is called %q", level, got)
		}
		if got, err := storage.ParseConsistency(name); err != nil || got != level {
			t.Errorf("%q is read as %v, %v", name, got, err)
		}
	}
	if got, err := storage.ParseConsistency("Read-Your-WRITES"); err != nil || got != storage.ConsistencyReadYourWrites {
		t.Errorf("the letter case counts: %v, %v", got, err)
	}
	for _, bad := range []string{"", "unknown", "strong "} {
		_, err := storage.ParseConsistency(bad)
		wantCode(t, err, storage.CodeInvalidArgument)
	}
	if got := storage.Consistency(9).String(); got != "unknown" {
		t.Errorf("level 9 is called %q", got)
	}
}

func TestConsistencySet(t *testing.T) {
	set := storage.ConsistencyLevels(storage.ConsistencyStrong, storage.ConsistencyEventual)
	for level := range storage.Consistency(255) {
		want := level == storage.ConsistencyDefault || level == storage.ConsistencyEventual || level == storage.ConsistencyStrong
		if set.Has(level) != want {
			t.Errorf("the set has %d: %v", level, !want)
		}
	}
	if got := set.Levels(); !slices.Equal(got, []storage.Consistency{storage.ConsistencyEventual, storage.ConsistencyStrong}) {
		t.Errorf("the levels are %v", got)
	}
	if got := storage.AllConsistencyLevels().Levels(); len(got) != 4 {
		t.Errorf("all levels are %v", got)
	}
	if storage.ConsistencySet(0).Levels() != nil {
		t.Error("the empty set has levels")
	}
}

func TestObjectExpired(t *testing.T) {
	now := time.Now()
	for at, want := range map[time.Time]bool{{}: false, now: true, now.Add(-1): true, now.Add(1): false} {
		if got := (storage.Object{ExpiresAt: at}).Expired(now); got != want {
			t.Errorf("expiry at %v, now %v: expired %v", at, now, got)
		}
	}
}

func TestSmallNames(t *testing.T) {
	for got, want := range map[string]string{
		storage.Unknown.String(): "unknown", storage.No.String(): "no", storage.Yes.String(): "yes", storage.Tristate(9).String(): "unknown",
		storage.TristateOf(true).String() + "!": "yes!", storage.TristateOf(false).String() + "!": "no!",
		storage.EventPut.String(): "put", storage.EventDelete.String(): "delete", storage.EventGap.String(): "gap", storage.EventKind(0).String() + "?": "unknown?",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
