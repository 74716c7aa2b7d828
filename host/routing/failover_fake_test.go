package routing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// ladder is first_available with writes that fail over, over three children that
// can be broken.
type ladder struct {
	*testing.T
	dir   string // of the journal
	bytes int    // that it may keep for a child
	env   Env
	all   []*switched
	store storage.Store

	mu     sync.Mutex
	events []event.PolicyInfo
	over   []event.FailoverInfo
}

func newLadder(t *testing.T) *ladder {
	l := &ladder{T: t, dir: t.TempDir()}
	for range names {
		l.all = append(l.all, newSwitched(t))
	}
	l.open(l.dir, FirstAvailable{Writes: WritesFailover})
	t.Cleanup(l.close)
	return l
}

// open opens the journal in dir and builds the policy.
func (l *ladder) open(dir string, o FirstAvailable) {
	l.Helper()
	j, err := journal.Open(dir, journal.Options{MaxBytes: int64(l.bytes)})
	if err != nil {
		l.Fatal(err)
	}
	l.dir, l.env = dir, Env{Journal: j, SpoolDir: l.TempDir(), Listener: event.Listener{
		Policy: func(i event.PolicyInfo) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, i)
		},
		Failover: func(i event.FailoverInfo) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.over = append(l.over, i)
		},
	}}
	if o.Order == nil {
		o.Order = names
	}
	var children []Child
	for i, s := range l.all {
		children = append(children, s.child(names[i]))
	}
	if l.store, err = o.Build("p", l.env, Children(children...)); err != nil {
		l.Fatal(err)
	}
}

func (l *ladder) close() {
	l.Helper()
	if err := l.store.Close(context.WithoutCancel(l.Context())); err != nil {
		l.Error(err)
	}
	_ = l.env.Journal.Close() // it is broken on purpose in some
}

// kill ends the host as SIGKILL does, and starts it again: what the journal has on
// disk is all that is left of it. afterwards is called before it starts.
func (l *ladder) kill(o FirstAvailable, afterwards ...func()) {
	l.Helper()
	left := l.image()
	for _, f := range afterwards {
		f()
	}
	l.close()
	l.open(left, o)
}

// image copies what the journal has on disk.
func (l *ladder) image() string {
	l.Helper()
	for {
		left := l.TempDir()
		err := os.CopyFS(left, os.DirFS(l.dir))
		if err == nil {
			return left
		}
		if !errors.Is(err, fs.ErrNotExist) { // the database replaced a file meanwhile
			l.Fatal(err)
		}
	}
}

// breakJournal makes it refuse to remember anything more.
func (l *ladder) breakJournal() {
	l.Helper()
	if err := l.env.Journal.Close(); err != nil {
		l.Fatal(err)
	}
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

// levels at which reads must see every acknowledged write.
func levels() []storage.Consistency {
	return []storage.Consistency{storage.ConsistencyDefault, storage.ConsistencyStrong}
}

// reads checks what all reads give: a value, or "" for NotFound.
func (l *ladder) reads(key, want string) {
	l.Helper()
	for _, level := range levels() {
		got, err := read(l, l.store, key, storage.GetOptions{Consistency: level})
		results, batchErr := l.store.Batch(l.Context(), []storage.BatchOp{{Kind: storage.BatchGet, Key: key}}, storage.BatchOptions{Consistency: level})
		if batchErr != nil {
			l.Fatal(batchErr)
		}
		_, statErr := l.store.Stat(l.Context(), key, storage.StatOptions{Consistency: level})
		if want == "" {
			wantCode(l, err, storage.CodeNotFound)
			wantCode(l, results[0].Err, storage.CodeNotFound)
			wantCode(l, statErr, storage.CodeNotFound)
		} else if err != nil || got != want || string(results[0].Value) != want || statErr != nil {
			l.Errorf("a %v read gives %q, %v; a batch %q, %v; stat %v; want %q", level, got, err, results[0].Value, results[0].Err, statErr, want)
		}
	}
}

func (l *ladder) unreadable(key string, code storage.Code) (err error) {
	l.Helper()
	for _, level := range levels() {
		_, err = read(l, l.store, key, storage.GetOptions{Consistency: level})
		wantCode(l, err, code)
		_, statErr := l.store.Stat(l.Context(), key, storage.StatOptions{Consistency: level})
		wantCode(l, statErr, code)
	}
	return err
}

// owed waits until each child misses that many keys: the last of a replay is
// settled a moment after the child has what it missed.
func (l *ladder) owed(want ...int) {
	l.Helper()
	eventually(l, fmt.Sprintf("%v keys are missed", want), func() bool {
		for i, b := range l.store.(Reporter).Backlogs() {
			if b.Target != names[i] || b.Entries != want[i] || b.Dirty {
				return false
			}
		}
		return true
	})
}

// replayed waits until children, or all, were given what they missed.
func (l *ladder) replayed(children ...int) {
	l.Helper()
	if children == nil {
		children = []int{0, 1, 2}
	}
	policy := l.store.(failoverStore).policy
	for _, i := range children {
		eventually(l, names[i]+" has what it missed", func() bool {
			return !slices.ContainsFunc(policy.log.Ripe(names[i], 100), func(e journal.Entry) bool { return policy.stale(policy.order[i], e.Key) })
		})
	}
}

// happened counts what the policy told of.
func (l *ladder) happened(what event.PolicyEvent) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Event == what {
			n++
		}
	}
	return n
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

func (l *ladder) list(opts storage.ListOptions) ([]string, storage.Page) {
	l.Helper()
	page, err := l.store.List(l.Context(), opts)
	if err != nil {
		l.Fatal(err)
	}
	keys := []string{}
	for _, o := range page.Objects {
		keys = append(keys, o.Key)
	}
	return keys, page
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

// openSmall opens a journal that holds two debts for each child.
func (l *ladder) openSmall() {
	l.Helper()
	l.bytes = 2 * (64 + len("k"+"has backend.b"))
	l.open(l.TempDir(), FirstAvailable{Writes: WritesFailover})
}
