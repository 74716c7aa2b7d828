package local

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestGateShutsWhenTheLastHasLeft(t *testing.T) {
	g := newGate()
	for range 2 {
		if !g.enter() {
			t.Fatal("an open gate refused")
		}
	}
	empty := g.shut()
	if g.enter() {
		t.Fatal("a shut gate let somebody in")
	}
	g.leave()
	select {
	case <-empty:
		t.Fatal("one is inside still")
	default:
	}
	g.leave()
	<-empty
	if g.enter() {
		t.Fatal("an empty shut gate let somebody in")
	}
}

func TestGateUnderLoad(t *testing.T) {
	g := newGate()
	var inside atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for g.enter() {
				inside.Add(1)
				inside.Add(-1)
				g.leave()
			}
		})
	}
	<-g.shut()
	if n := inside.Load(); n != 0 {
		t.Errorf("%d are inside a gate that is empty", n)
	}
	group.Wait()
}

func TestWaitingForAKeyEndsWithTheContext(t *testing.T) {
	l := newKeyLocks()
	stripe, err := l.lock(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	keys := []string{"a", "b", "k", "c", "a"}
	if _, err := l.lockAll(ctx, keys); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock(stripe)
	release, err := l.lockAll(t.Context(), keys) // none is left locked
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestVersionIDs(t *testing.T) {
	s := newVersionSource()
	a, b := s.next(), s.next()
	if a == b || !a.sameOpening(b) || a.sameOpening(newVersionSource().next()) {
		t.Errorf("%s and %s", a, b)
	}
	if back, ok := parseVersionID(a.String()); !ok || back != a {
		t.Errorf("%s came back as %s", a, back)
	}
	for _, text := range []string{"", "00", a.String() + "00", "ABCDEF00000000000000000000000000", "g0000000000000000000000000000000"} {
		if _, ok := parseVersionID(text); ok {
			t.Errorf("%q is taken for a version", text)
		}
	}
}
