package journal

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsDoneIsNotOwed(t *testing.T) {
	b := newBench(t, Options{})
	i := b.begin("k", 1, "a", "b")
	b.wait(i)
	i.Acknowledged()
	b.owes("a", "k", 1)
	b.owes("b", "k", 1)
	i.Done("a")
	b.owes("a", "k", 0)
	b.entry("a", "k", 0)
	b.owes("b", "k", 1)
	b.owes("c", "k", 0)
	i.Done("b")
	if got := b.l.Backlog("b"); got != (Backlog{Target: "b"}) {
		t.Errorf("got %+v", got)
	}
	b.crash()
	for _, target := range []string{"a", "b"} {
		b.l.Settle(target, "k", 1) // the removal need not have been synced
		b.entry(target, "k", 0)
	}
}

func TestOnlyAcknowledgedWritesAreOwed(t *testing.T) {
	b := newBench(t, Options{})
	i := b.begin("k", 1, "a", "b")
	i.Missed("a")
	b.owes("a", "k", 0)
	b.entry("a", "k", 1)
	i.Acknowledged()
	b.owes("a", "k", 1)
	b.owes("b", "k", 1)

	late := b.begin("late", 1, "a")
	late.Missed("a") // the write ended everywhere
	b.owes("a", "late", 0)
	late.Acknowledged()
	b.owes("a", "late", 1)
}

func TestAcknowledgementAfterTheDebtWasPaidOwesNothing(t *testing.T) {
	b := newBench(t, Options{})
	first := b.begin("k", 1, "a")
	second := b.begin("k", 2, "a")
	first.Missed("a")
	second.Missed("a")
	b.l.Settle("a", "k", 1)
	first.Acknowledged()
	b.owes("a", "k", 0)
	b.entry("a", "k", 2)
	second.Acknowledged()
	b.owes("a", "k", 2)
	b.l.Settle("a", "k", 2)
	second.Acknowledged()
	b.owes("a", "k", 0)
}

func TestEntriesAreRipeWhenNoWriteIsUnderWay(t *testing.T) {
	b := newBench(t, Options{})
	wake := b.l.Wake("a")
	first := b.begin("k", 1, "a")
	second := b.begin("k", 2, "a")
	first.Missed("a")
	b.ripe("a")
	if woken(wake) {
		t.Error("woken for an entry that is not ripe")
	}
	second.Missed("a")
	b.ripe("a", "k")
	if !woken(wake) {
		t.Error("not woken for a ripe entry")
	}
	third := b.begin("k", 3, "a")
	b.ripe("a")
	third.Dropped("a")
	b.ripe("a", "k")
	b.entry("a", "k", 2)
	if !woken(wake) {
		t.Error("not woken for an entry that is ripe again")
	}
	if b.l.Wake("a") != wake {
		t.Error("a target has one channel")
	}
}

func TestTargetThatMissedIsRipeWhileOthersGoOn(t *testing.T) {
	b := newBench(t, Options{})
	i := b.begin("k", 1, "a", "b")
	i.Missed("a")
	b.ripe("a", "k")
	b.ripe("b")
	i.Done("b")
	b.ripe("a", "k")
}

func TestDroppedWriteRestoresTheDebtBefore(t *testing.T) {
	b := newBench(t, Options{})
	old := b.l.Begin("k", 1, "old", "a")
	b.wait(old)
	old.Acknowledged()
	old.Missed("a")
	before, _ := b.l.Entry("a", "k")
	b.pass(time.Minute)
	i := b.l.Begin("k", 2, "new", "a")
	b.owes("a", "k", 1)
	b.wait(i)
	if e, _ := b.l.Entry("a", "k"); e.Version != 2 || e.Note != "new" || !e.Since.Equal(before.Since) {
		t.Errorf("under way: %+v", e)
	}
	i.Dropped("a")
	check := func() {
		t.Helper()
		if e, _ := b.l.Entry("a", "k"); e != before {
			t.Errorf("got %+v, want %+v", e, before)
		}
		b.owes("a", "k", 1)
		b.ripe("a", "k")
	}
	check()
	b.restart()
	check()

	i = b.begin("new", 1, "a")
	b.wait(i)
	i.Dropped("a")
	b.entry("a", "new", 0)
	b.restart()
	b.entry("a", "new", 0)
}

// TestTwoWritesEndInAnyOrder begins versions 1 and 2 in either order and ends
// them in either order and every way.
func TestTwoWritesEndInAnyOrder(t *testing.T) {
	ends := map[string]func(*Intent){
		"done":    func(i *Intent) { i.Done("a") },
		"missed":  func(i *Intent) { i.Missed("a") },
		"dropped": func(i *Intent) { i.Dropped("a") },
	}
	// What is owed in the end, by how 1 and 2 ended, unless 2 was done: that
	// pays for both.
	owed := map[string]uint64{
		"done missed": 2, "done dropped": 0,
		"missed missed": 2, "missed dropped": 1,
		"dropped missed": 2, "dropped dropped": 0,
	}
	for how1, end1 := range ends {
		for how2, end2 := range ends {
			for _, order := range []string{"12 12", "12 21", "21 12", "21 21"} {
				t.Run(strings.Join([]string{how1, how2, order}, " "), func(t *testing.T) {
					b := newBench(t, Options{})
					var one, two *Intent
					begin := func(n byte) {
						if n == '1' {
							one = b.begin("k", 1, "a")
						} else {
							two = b.begin("k", 2, "a")
						}
					}
					begin(order[0])
					begin(order[1])
					for _, i := range []*Intent{one, two} {
						b.wait(i)
						i.Acknowledged()
					}
					b.owes("a", "k", 2)
					for _, n := range order[3:] {
						if n == '1' {
							end1(one)
						} else {
							end2(two)
						}
					}
					want := owed[how1+" "+how2]
					b.owes("a", "k", want)
					b.entry("a", "k", want)
					if want == 0 {
						b.ripe("a")
					} else {
						b.ripe("a", "k")
					}
					b.restart()
					b.owes("a", "k", want)
				})
			}
		}
	}
}

func TestDonePaysWhatIsOlderAndUnderWay(t *testing.T) {
	b := newBench(t, Options{})
	old := b.begin("k", 1, "a")
	newer := b.begin("k", 3, "a")
	old.Acknowledged()
	newer.Done("a")
	b.owes("a", "k", 0)
	b.entry("a", "k", 0)
	middle := b.begin("k", 2, "a")
	middle.Acknowledged()
	b.owes("a", "k", 0)
	middle.Missed("a")
	old.Missed("a")
	b.entry("a", "k", 0)
	again := b.begin("k", 2, "a") // the entry was gone; nobody remembers version 3
	again.Missed("a")
	b.entry("a", "k", 2)
}

func TestSettlePaysUpToItsVersion(t *testing.T) {
	b := newBench(t, Options{})
	b.miss("k", 5, "a")
	b.l.Settle("a", "k", 4)
	b.owes("a", "k", 5)
	i := b.begin("k", 6, "a")
	b.l.Settle("a", "k", 5)
	b.owes("a", "k", 0)
	b.entry("a", "k", 6)
	i.Done("a")
	b.entry("a", "k", 0)
	b.miss("k", 7, "a")
	b.l.Settle("a", "k", 9)
	b.l.Settle("a", "other", 9)
	b.l.Settle("other", "k", 9)
	b.restart()
	b.entry("a", "k", 0)
}

func TestPartPaymentLeavesWhatIsNotAcknowledged(t *testing.T) {
	b := newBench(t, Options{})
	b.miss("k", 1, "a")
	b.begin("k", 2, "a").Missed("a")
	b.owes("a", "k", 1)
	b.l.Settle("a", "k", 1)
	b.owes("a", "k", 0)
	b.entry("a", "k", 2)
}

func TestEndsAreTakenOnce(t *testing.T) {
	b := newBench(t, Options{})
	i := b.begin("k", 1, "a", "a", "b")
	i.Missed("a")
	i.Done("a")
	i.Done("nobody")
	b.entry("a", "k", 1)
	b.ripe("a", "k")
}

func TestIntentsTheJournalDoesNotTake(t *testing.T) {
	b := newBench(t, Options{})
	for name, i := range map[string]*Intent{
		"version 0":   b.begin("k", 0, "a"),
		"a long note": b.l.Begin("k", 1, strings.Repeat("x", MaxNoteBytes+1), "a"),
	} {
		if err := i.Wait(t.Context()); err == nil {
			t.Errorf("%s is taken", name)
		}
		i.Acknowledged()
		i.Missed("a")
		b.entry("a", "k", 0)
	}
	b.wait(b.begin("k", 1))
}
