package routing

import (
	"strings"
	"testing"
	"time"

	"github.com/p2p-ai-agents/stowage/internal/storetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The host ended, and its clock was set back. A write of unknown outcome from
// before, at a replica that was away, came out newer than a later one.
func TestVersionsGrowThoughTheClockIsSetBackBetweenTwoHosts(t *testing.T) {
	dir := t.TempDir()
	all, children := faultyTrio(1)
	behind := func(d time.Duration) Env {
		return Env{Journal: openJournal(t, dir), SpoolDir: t.TempDir(), Clock: &Clock{now: func() time.Time { return time.Now().Add(-d) }}}
	}
	env := behind(0)
	s, err := Redundant{Replicas: names}.Build("p", env, Children(children...))
	if err != nil {
		t.Fatal(err)
	}
	all[0].Inject(storetest.Fault{Kind: storetest.LoseAnswer, Op: "put"})
	all[1].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "put"})
	all[2].Inject(storetest.Fault{Kind: storetest.FailBefore, Op: "put"})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("unknown"), storage.PutOptions{}); !storage.AsError(err).OutcomeUnknown {
		t.Fatalf("got %v", err)
	}
	all[0].Stop()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Journal.Close(); err != nil {
		t.Fatal(err)
	}

	s = build(t, Redundant{Replicas: names}, behind(time.Hour), children...)
	put(t, s, "k", "new")
	all[0].Restart()
	if got, err := read(t, s, "k", storage.GetOptions{Consistency: storage.ConsistencyStrong}); err != nil || got != "new" {
		t.Errorf("read %q, %v", got, err)
	}
	eventually(t, "the copies are equal", func() bool {
		for _, c := range all {
			if string(c.Objects()["k"].Value) != "new" {
				return false
			}
		}
		return true
	})
}
