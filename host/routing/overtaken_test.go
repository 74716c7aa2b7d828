package routing

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A write whose caller gave up was still on its way to all replicas. The delete
// that followed found nothing, was acknowledged without a tombstone, and the
// value appeared.
func TestADeleteIsNotOvertakenByAWriteThatWasGivenUp(t *testing.T) {
	p, all := trio(t, Redundant{}, testEnv(t))
	release := make(chan struct{})
	var entered sync.WaitGroup
	entered.Add(len(all))
	for _, s := range all {
		s.holdPut("late", entered.Done, release)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		entered.Wait()
		giveUp()
	}()
	_, err := p.Put(ctx, "k", strings.NewReader("late"), storage.PutOptions{})
	if wantCode(t, err, storage.CodeCanceled); !storage.AsError(err).OutcomeUnknown {
		t.Errorf("the outcome of a write that is under way is known: %v", err)
	}
	if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	close(release)
	wantHeld(t, all, "k", "†", "†", "†")
}
