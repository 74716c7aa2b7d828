package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func TestAChildWithoutFaultsConforms(t *testing.T) {
	var c *Child
	storagetest.Run(t, storagetest.Harness{
		Open: func(testing.TB) storage.Backend {
			c = NewChild(ChildOptions{Name: "a"})
			return c.Connect()
		},
		Reopen: func(t testing.TB, b storage.Backend) storage.Backend {
			c.Crash()
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			c.Restart()
			return c.Connect()
		},
		Options: storagetest.Options{Alone: true},
	})
}

// write puts "new" over "old" under a fault and tells what is there then and how it
// ended.
func write(t *testing.T, c *Child, fault Fault) (then string, err error) {
	t.Helper()
	s := storage.Complete(c.Connect())
	mustPut(t, s, "k", "old")
	c.Inject(fault)
	_, err = s.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
	return value(t, s, "k"), err
}

func mustPut(t *testing.T, s storage.Store, key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(value), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func value(t *testing.T, s storage.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, storage.GetOptions{})
	if errors.Is(err, storage.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAFaultHappensAndSaysWhatIsKnown(t *testing.T) {
	for name, test := range map[string]struct {
		fault   Fault
		unknown bool
		then    string
	}{
		"before":         {fault: Fault{Kind: FailBefore, Code: storage.CodeThrottled}, then: "old"},
		"lost answer":    {fault: Fault{Kind: LoseAnswer}, unknown: true, then: "new"},
		"vanished":       {fault: Fault{Kind: Vanish}, unknown: true, then: "old"},
		"a broken value": {fault: Fault{Kind: BreakBody}, then: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			then, err := write(t, NewChild(ChildOptions{Name: "a"}), test.fault)
			if e := storage.AsError(err); e == nil || e.Code != test.fault.code() || e.OutcomeUnknown != test.unknown {
				t.Errorf("got %v", err)
			}
			if then != test.then {
				t.Errorf("then it is %q, want %q", then, test.then)
			}
		})
	}
}

func TestALateWriteLandsBeforeTheNextOne(t *testing.T) {
	for seed := range uint64(20) {
		c := NewChild(ChildOptions{Name: "a", Seed: seed})
		s := storage.Complete(c.Connect())
		c.Inject(Fault{Kind: Late, Op: "put"})
		if _, err := s.Put(t.Context(), "k", strings.NewReader("late"), storage.PutOptions{}); err == nil {
			t.Fatal("the write did not fail")
		}
		mustPut(t, s, "k", "later")
		c.Heal()
		if got := value(t, s, "k"); got != "later" {
			t.Fatalf("seed %d: the late write landed over a later one: %q", seed, got)
		}
	}
}

func TestALateWriteCanLandAfterARead(t *testing.T) {
	landed := 0
	for seed := range uint64(20) {
		c := NewChild(ChildOptions{Name: "a", Seed: seed})
		s := storage.Complete(c.Connect())
		mustPut(t, s, "k", "old")
		c.Inject(Fault{Kind: Late, Op: "put"})
		_, _ = s.Put(t.Context(), "k", strings.NewReader("new"), storage.PutOptions{})
		first, second := value(t, s, "k"), value(t, s, "k")
		if first == "old" && second == "new" {
			landed++
		}
	}
	if landed == 0 {
		t.Error("it never did")
	}
}

func TestACrashLosesWhatAVolatileChildHasNotSynced(t *testing.T) {
	for volatile, want := range map[bool]string{true: "synced", false: "acknowledged"} {
		c := NewChild(ChildOptions{Name: "a", Volatile: volatile})
		s := storage.Complete(c.Connect())
		mustPut(t, s, "k", "synced")
		c.Sync()
		mustPut(t, s, "k", "acknowledged")
		c.Crash()
		if _, err := s.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a crashed child says %v", err)
		}
		c.Restart()
		if got := value(t, s, "k"); got != want {
			t.Errorf("volatile is %v: found %q, want %q", volatile, got, want)
		}
		if caps := s.Capabilities(); caps.Durable == volatile {
			t.Errorf("volatile is %v, and it declares durable %v", volatile, caps.Durable)
		}
	}
}

func TestACrashBreaksOffWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChild(ChildOptions{Name: "a", Latency: time.Second})
		s := storage.Complete(c.Connect())
		done := make(chan error)
		go func() {
			_, err := s.Put(t.Context(), "k", strings.NewReader("v"), storage.PutOptions{})
			done <- err
		}()
		synctest.Wait()
		c.Crash()
		if e := storage.AsError(<-done); e == nil || e.Code != storage.CodeUnavailable || !e.OutcomeUnknown {
			t.Errorf("got %v", e)
		}
	})
}

func TestAHangingChildAnswersLateOrIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChild(ChildOptions{Name: "a", Timeout: time.Second})
		s := storage.Complete(c.Connect())
		mustPut(t, s, "k", "v")
		c.Hang()
		begun := time.Now()
		if _, err := s.Stat(t.Context(), "k", storage.StatOptions{}); !errors.Is(err, storage.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begun); d != time.Second {
			t.Errorf("it was given up after %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Put(ctx, "k", strings.NewReader("w"), storage.PutOptions{}); !storage.AsError(err).OutcomeUnknown {
			t.Errorf("got %v", err)
		}
		done := make(chan error)
		go func() {
			_, err := s.Stat(t.Context(), "k", storage.StatOptions{})
			done <- err
		}()
		synctest.Wait()
		c.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAValueBreaksOffHalfWay(t *testing.T) {
	c := NewChild(ChildOptions{Name: "a"})
	s := storage.Complete(c.Connect())
	mustPut(t, s, "k", "0123456789")
	c.Inject(Fault{Kind: BreakBody, Op: "get"})
	r, err := s.Get(t.Context(), "k", storage.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Bytes(); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestACutConnectionReachesNothing(t *testing.T) {
	c := NewChild(ChildOptions{Name: "a"})
	old := c.Connect()
	s := storage.Complete(old)
	mustPut(t, s, "k", "v")
	old.Cut()
	if _, err := s.Delete(t.Context(), "k", storage.DeleteOptions{}); storage.AsError(err).OutcomeUnknown {
		t.Errorf("got %v", err)
	}
	if got := value(t, storage.Complete(c.Connect()), "k"); got != "v" {
		t.Errorf("the next host finds %q", got)
	}
}
