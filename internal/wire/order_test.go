package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A backend that is slow to commit and does not look at its context must not
// put a write that was given up over one that was acknowledged later.
func TestAWriteGivenUpNeverLandsOverALaterOne(t *testing.T) {
	committing, release := make(chan struct{}), make(chan struct{})
	backend := newMemory(func(value string) {
		if value == "given up" {
			close(committing)
			<-release
		}
	})
	g := grpc.NewServer(ServerOptions()...)
	server := NewServer(&fakePlugin{backend: func() storage.Backend { return backend }}, slog.New(slog.DiscardHandler))
	server.Register(g)
	store, _, err := NewClient(dial(t, listen(t, g))).Open(t.Context(), OpenRequest{ID: "b1", Config: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
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
	putString(t, store, "other", "not held up")
	overtook := false
	for !overtook && server.waiting("k") < 2 {
		select {
		case err := <-second:
			overtook = true
			second <- err
		case <-t.Context().Done():
			t.Fatal("the second write neither waits nor ends")
		case <-time.After(time.Millisecond): // look again
		}
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

// waiting returns how many writes hold or wait for the turn of key in b1.
func (s *Server) waiting(key string) int {
	return s.open()["b1"].order.Interested(key)
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
