package routing

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// ladder is first_available with writes that fail over, over three children that
// can be broken.
type ladder struct {
	*testing.T
	env   Env
	all   []*switched
	store storage.Store

	mu   sync.Mutex
	told map[event.PolicyEvent][]event.PolicyInfo
	over []event.FailoverInfo
}

func newLadder(t *testing.T) *ladder {
	l := &ladder{T: t, told: map[event.PolicyEvent][]event.PolicyInfo{}}
	l.env = Env{Journal: openJournal(t, t.TempDir()), SpoolDir: t.TempDir(), Listener: event.Listener{
		Policy: func(i event.PolicyInfo) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told[i.Event] = append(l.told[i.Event], i)
		},
		Failover: func(i event.FailoverInfo) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.over = append(l.over, i)
		},
	}}
	for range names {
		l.all = append(l.all, newSwitched(t))
	}
	l.open(FirstAvailable{Writes: WritesFailover})
	t.Cleanup(l.close)
	return l
}

func (l *ladder) open(o FirstAvailable) {
	l.Helper()
	if o.Order == nil {
		o.Order = names
	}
	var children []Child
	for i, s := range l.all {
		children = append(children, s.child(names[i]))
	}
	s, err := o.Build("p", l.env, Children(children...))
	if err != nil {
		l.Fatal(err)
	}
	l.store = s
}

func (l *ladder) close() {
	l.Helper()
	if err := l.store.Close(context.WithoutCancel(l.Context())); err != nil {
		l.Error(err)
	}
}

// restart ends the policy, which is as good as ending the host: the journal is
// all it remembers.
func (l *ladder) restart(o FirstAvailable) {
	l.Helper()
	l.close()
	l.open(o)
}

func (l *ladder) down(i int) { l.all[i].fail(storage.CodeUnavailable) }
func (l *ladder) up(i int)   { l.all[i].err.Store(nil) }

func (l *ladder) put(key, value string) storage.Object {
	l.Helper()
	return put(l, l.store, key, value)
}

func (l *ladder) delete(key string) storage.Deleted {
	l.Helper()
	d, err := l.store.Delete(l.Context(), key, storage.DeleteOptions{})
	if err != nil {
		l.Fatal(err)
	}
	return d
}

// reads checks what a read of each level gives: a value, or "" for NotFound.
func (l *ladder) reads(key, want string) {
	l.Helper()
	for _, level := range []storage.Consistency{storage.ConsistencyDefault, storage.ConsistencyStrong} {
		got, err := read(l, l.store, key, storage.GetOptions{Consistency: level})
		if want == "" {
			wantCode(l, err, storage.CodeNotFound)
		} else if err != nil || got != want {
			l.Errorf("a %v read gives %q, %v; want %q", level, got, err, want)
		}
	}
}

func (l *ladder) unreadable(key string, code storage.Code) {
	l.Helper()
	for _, level := range []storage.Consistency{storage.ConsistencyDefault, storage.ConsistencyStrong} {
		got, err := read(l, l.store, key, storage.GetOptions{Consistency: level})
		if err == nil {
			l.Fatalf("a %v read gives %q", level, got)
		}
		wantCode(l, err, code)
	}
}

// owes checks how many keys are owed to each child.
func (l *ladder) owes(want ...int) {
	l.Helper()
	for i, b := range l.store.(Reporter).Backlogs() {
		if b.Target != names[i] || b.Entries != want[i] {
			l.Errorf("%s is owed %d, want %d", b.Target, b.Entries, want[i])
		}
	}
}

// replayed waits until a child is owed nothing.
func (l *ladder) replayed(i int) {
	l.Helper()
	for l.store.(Reporter).Backlogs()[i].Entries > 0 {
		time.Sleep(time.Millisecond)
	}
}

// holds checks what a child itself has: "" for nothing.
func (l *ladder) holds(i int, key, want string) {
	l.Helper()
	got, err := read(l, l.all[i].Store, key, storage.GetOptions{})
	if want == "" {
		wantCode(l, err, storage.CodeNotFound)
	} else if err != nil || got != want {
		l.Errorf("%s has %q, %v; want %q", names[i], got, err, want)
	}
}

// restless is a primary that refuses every other unconditional write of a key.
// After each that failed over one gets through: the replay, or the next write.
type restless struct {
	storage.Store
	mu      sync.Mutex
	refused map[string]bool
}

func (s *restless) refuses(key string, cond storage.Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cond.IsNone() {
		if s.refused[key] = !s.refused[key]; s.refused[key] {
			return storage.Errorf(storage.CodeUnavailable, "not now")
		}
	}
	return nil
}

func (s *restless) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := s.refuses(key, opts.If); err != nil {
		return storage.PutResult{}, err
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s *restless) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := s.refuses(key, opts.If); err != nil {
		return storage.Deleted{}, err
	}
	return s.Store.Delete(ctx, key, opts)
}

func (s *restless) Batch(ctx context.Context, ops []storage.BatchOp, opts storage.BatchOptions) ([]storage.BatchResult, error) {
	results, err := s.Store.Batch(ctx, ops, opts)
	return results, err
}

var (
	_ = strings.NewReader
	_ = synctest.Wait
	_ journal.Backlog
)
