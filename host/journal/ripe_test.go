package journal

import "testing"

func TestRipeReturnsTheOldestFirst(t *testing.T) {
	b := newBench(t, Options{})
	for _, key := range []string{"c", "a", "d", "b"} {
		b.miss(key, 1, "t")
	}
	b.miss("c", 2, "t") // stands for the older one too
	check := func() {
		t.Helper()
		b.ripe("t", "c", "a", "d", "b")
		if got := b.l.Ripe("t", 2); len(got) != 2 || got[1].Key != "a" {
			t.Errorf("got %+v", got)
		}
	}
	check()
	b.restart()
	check()
	for _, key := range []string{"c", "d", "b", "a"} {
		b.l.Settle("t", key, 2)
	}
	b.ripe("t")
}

func TestRipeAfterGoesOnBehindAnEntry(t *testing.T) {
	b := newBench(t, Options{})
	for _, key := range []string{"a", "b", "c", "d"} {
		b.miss(key, 1, "t")
	}
	after := b.l.Ripe("t", 2)[1]
	check := func() {
		t.Helper()
		if got := b.l.RipeAfter("t", after, 1); len(got) != 1 || got[0].Key != "c" {
			t.Errorf("got %+v", got)
		}
	}
	check()
	b.l.Settle("t", "b", 1)
	check()
	b.miss("b", 2, "t") // now the newest
	check()
	if got := b.l.RipeAfter("nobody", after, 1); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestPartPaymentMovesTheEntryInTheOrder(t *testing.T) {
	b := newBench(t, Options{})
	one := b.begin("k", 1, "t")
	b.miss("before", 1, "t")
	two := b.begin("k", 2, "t")
	b.miss("after", 1, "t")
	two.Missed("t")
	one.Done("t")
	b.ripe("t", "before", "k", "after")
}
