package journal

import (
	"fmt"
	"testing"
	"time"
)

func TestALogThatKeepsDropsNothing(t *testing.T) {
	b := newBench(t, Options{MaxBytes: 2 * (entryOverhead + 3), MaxAge: time.Hour})
	b.l = b.j.Keeping("safe")
	if b.j.Keeping("safe") != b.l || b.j.Log("safe") == b.l {
		t.Error("it is not a log of its own")
	}
	for n, full := range []bool{false, false, true, true} {
		if got := b.l.Full("a"); got != full {
			t.Errorf("full with %d debts: %t", n, got)
		}
		b.miss(fmt.Sprintf("k%d", n), 1, "a")
	}
	check := func() {
		t.Helper()
		b.l = b.j.Keeping("safe")
		b.dirty("a", false)
		b.ripe("a", "k0", "k1", "k2", "k3")
		if got := b.l.Backlog("a"); got.Entries != 4 || got.Dirty {
			t.Errorf("got %+v", got)
		}
	}
	check()
	b.pass(48 * time.Hour)
	check()
	b.crash() // nor while nobody looked
	check()
	b.begin("k4", 1, "a")
	b.ripe("a", "k0", "k1", "k2", "k3", "k4") // also what is under way
	b.l.Settle("a", "k4", 1)
	b.l.Settle("a", "k0", 1)
	b.l.Settle("a", "k1", 1)
	b.l.Settle("a", "k2", 1)
	if b.l.Full("a") {
		t.Error("it is still full")
	}
}
