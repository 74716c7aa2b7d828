package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A backend that is slow to commit and does not look at its context must not
// put a write that was given up over one that was acknowledged later.
func TestAWriteGivenUpNeverLandsOverALaterOne(t *testing.T) {
	committing, release := make(chan struct{}), make(chan struct{})
	store := open(t, newMemory(func(value string) {
		if value == "given up" {
			close(committing)
			<-release
		}
	}))
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := store.Put(ctx, "k", strings.NewReader("given up"), storage.PutOptions{})
		first <- err
	}()
	<-committing
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) || !storage.AsError(err).OutcomeUnknown {
		t.Fatalf("the write that was given up: %v, want Canceled of unknown outcome", err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := store.Put(t.Context(), "k", strings.NewReader("acknowledged"), storage.PutOptions{})
		second <- err
	}()
	// Another key is not held up, and by the time its write is back the second
	// one has had its chance to overtake.
	for i := range 20 {
		putString(t, store, fmt.Sprintf("other-%d", i), "value")
	}
	overtook := false
	select {
	case err := <-second:
		overtook = true
		second <- err
	default:
	}
	close(release)
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	if overtook {
		t.Error("the second write was acknowledged while the first could still land")
	}
	if got := getString(t, store, "k"); got != "acknowledged" {
		t.Errorf("the value is %q, want the acknowledged one", got)
	}
}

func TestAWriteGivenUpBeforeItsTurnDoesNotCommit(t *testing.T) {
	committing, release := make(chan struct{}), make(chan struct{})
	var commits sync.Map
	store := open(t, newMemory(func(value string) {
		commits.Store(value, true)
		if value == "slow" {
			close(committing)
			<-release
		}
	}))
	slow := make(chan error, 1)
	go func() {
		_, err := store.Put(t.Context(), "k", strings.NewReader("slow"), storage.PutOptions{})
		slow <- err
	}()
	<-committing
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := store.Put(ctx, "k", strings.NewReader("never"), storage.PutOptions{})
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	close(release)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	putString(t, store, "k", "last")
	if _, committed := commits.Load("never"); committed {
		t.Error("a write that was cancelled while it waited has committed")
	}
}

func TestKeyOrderLetsOneInAndForgetsKeys(t *testing.T) {
	var order keyOrder
	var inside [4]atomic.Int32
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			for round := range 100 {
				a, b := (caller+round)%4, (caller*round)%4
				keys := []string{fmt.Sprint(a), fmt.Sprint(b), fmt.Sprint(a)}
				unlock, err := order.lock(t.Context(), keys...)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside[a].Add(1); n != 1 {
					t.Errorf("%d writes have the turn of one key", n)
				}
				inside[a].Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
	if len(order.keys) != 0 {
		t.Errorf("%d keys are remembered", len(order.keys))
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	store := open(t, newMemory(nil))
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			key := fmt.Sprintf("k%d", caller%8)
			for range 20 {
				if _, err := store.Put(t.Context(), key, strings.NewReader(key+strings.Repeat("x", caller*100)), storage.PutOptions{}); err != nil {
					t.Errorf("put: %v", err)
				}
				r, err := store.Get(t.Context(), key, storage.GetOptions{})
				if err != nil {
					t.Errorf("get: %v", err)
					continue
				}
				if value, err := r.Bytes(); err != nil || !strings.HasPrefix(string(value), key+"x") && string(value) != key {
					t.Errorf("got %.20q, %v", value, err)
				}
			}
		})
	}
	wg.Wait()
}
