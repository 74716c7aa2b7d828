package routing

import (
	"slices"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/internal/storetest"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A put timed out at one child, the next went to another, and was deleted. Then
// the first child carried out what it had been given.
func TestAPutThatLandsLateDoesNotComeBack(t *testing.T) {
	for _, host := range []string{"with a journal", "with a journal, restarted", "without a journal"} {
		t.Run(host, func(t *testing.T) {
			for seed := range uint64(20) { // whether it lands is a matter of chance
				all, children := faultyTrio(seed)
				env := Env{}
				if host != "without a journal" {
					env = testEnv(t)
				}
				open := func() storage.Store {
					return build(t, RoundRobin{Backends: names, Mode: RoundRobinPlacement}, env, children...)
				}
				p := open()
				all[0].Inject(storetest.Fault{Kind: storetest.Late, Op: "put"})
				_, err := p.Put(t.Context(), "k", strings.NewReader("late"), storage.PutOptions{})
				if err == nil || !storage.AsError(err).OutcomeUnknown {
					t.Fatalf("the put was to time out: %v", err)
				}
				if host == "with a journal, restarted" {
					if err := p.Close(t.Context()); err != nil {
						t.Fatal(err)
					}
					p = open()
				}
				put(t, p, "k", "new")
				if _, err := p.Delete(t.Context(), "k", storage.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				for _, c := range all {
					c.Heal()
				}
				if got, err := read(t, p, "k", storage.GetOptions{}); storage.CodeOf(err) != storage.CodeNotFound {
					t.Fatalf("what was deleted reads %q, %v", got, err)
				}
			}
		})
	}
}

// The key was remembered at a child that had lost it. A put that found it nowhere
// timed out at another child; the next one went where the key was remembered,
// and the other child was forgotten.
func TestAPutThatLandsLateBesideTheRememberedChildDoesNotComeBack(t *testing.T) {
	for seed := range uint64(20) {
		all, children := faultyTrio(seed)
		p := build(t, RoundRobin{Backends: names, Mode: RoundRobinPlacement}, Env{}, children...)
		for _, key := range []string{"k", "l", "m", "n"} { // of which some are created elsewhere when they must be absent
			put(t, p, key, "v")
			owner := slices.IndexFunc(all, func(c *storetest.Child) bool { return len(c.Objects()) > 0 })
			if _, err := children[owner].Store.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				c.Inject(storetest.Fault{Kind: storetest.Late, Op: "put"})
			}
			if _, err := p.Put(t.Context(), key, strings.NewReader("late"), storage.PutOptions{If: storage.IfAbsent()}); err == nil {
				t.Fatal("the put was to time out")
			}
			for range 3 { // the faults of the others
				_, _ = p.Put(t.Context(), key, strings.NewReader("new"), storage.PutOptions{})
			}
			if _, err := p.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				c.Heal()
			}
			if got, err := read(t, p, key, storage.GetOptions{}); storage.CodeOf(err) != storage.CodeNotFound {
				t.Fatalf("what was deleted reads %q, %v", got, err)
			}
		}
	}
}
