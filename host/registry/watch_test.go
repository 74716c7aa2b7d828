package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func TestWatchGoesOnAfterASwap(t *testing.T) {
	r := New(Options{})
	first, second := newFake(1), newFake(2)
	r.Swap("disk", storage.Complete(first), Meta{})
	stream, err := r.Handle("disk").Watch(t.Context(), storage.WatchOptions{Prefix: "p", Cursor: "begin"})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-first.cursors; got != "begin" {
		t.Errorf("the watch began at %q", got)
	}
	go func() { first.events <- storage.Event{Key: "a", Cursor: "after-a"} }()
	if ev, err := stream.Next(within(t)); err != nil || ev.Key != "a" {
		t.Fatalf("got %v, %v", ev, err)
	}
	next := make(chan storage.Event, 1)
	go func() {
		ev, err := stream.Next(within(t))
		if err != nil {
			t.Errorf("next across the swap: %v", err)
		}
		next <- ev
	}()
	old := r.Swap("disk", storage.Complete(second), Meta{})
	if err := old.Drain(within(t)); err != nil {
		t.Fatalf("an open watch holds up the drain: %v", err)
	}
	if got := <-second.cursors; got != "after-a" {
		t.Errorf("the watch went on from %q, want after-a", got)
	}
	second.events <- storage.Event{Key: "b", Cursor: "after-b"}
	if ev := <-next; ev.Key != "b" {
		t.Errorf("got %v after the swap", ev)
	}
	if got := stream.Cursor(); got != "after-b" {
		t.Errorf("cursor %q", got)
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove("disk").Drain(within(t)); err != nil {
		t.Errorf("a closed watch holds its lease: %v", err)
	}
}

// A watcher that does nothing must not keep a generation alive.
func TestIdleWatchDoesNotHoldUpADrain(t *testing.T) {
	r := New(Options{})
	r.Swap("disk", storage.Complete(newFake(1)), Meta{})
	stream, err := r.Handle("disk").Watch(t.Context(), storage.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Remove("disk").Drain(within(t)); err != nil {
		t.Error(err)
	}
	if _, err := stream.Next(within(t)); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("next without a backend: %v, want Unavailable", err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	r := New(Options{})
	r.Swap("disk", storage.Complete(newFake(1)), Meta{})
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := r.Handle("disk").Watch(ctx, storage.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := r.Remove("disk").Drain(within(t)); err != nil {
		t.Errorf("the watch of a caller that is gone holds its lease: %v", err)
	}
	if _, err := stream.Next(t.Context()); err == nil {
		t.Error("the stream went on after its context ended")
	}
}
