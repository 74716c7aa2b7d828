package routing

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// byType places objects by their content type: "b", "c", or else backend.a.
func byType() Custom {
	return Custom{Place: `content_type == "b" ? backend.b : (content_type == "c" ? backend.c : backend.a)`}
}

// placedHost is a host with a policy that places objects, whose debts are paid
// when the test says so.
type placedHost struct {
	t       testing.TB
	policy  Policy
	dir     string
	kids    kids
	journal *journal.Journal
	store   storage.Store

	mu   sync.Mutex
	told []event.PolicyInfo
}

func newPlacedHost(t testing.TB, p Policy) *placedHost {
	h := &placedHost{t: t, policy: p, dir: t.TempDir(), kids: newKids(t)}
	t.Cleanup(h.end)
	h.start()
	return h
}

// another is a second host over the same children.
func (h *placedHost) another() *placedHost {
	o := &placedHost{t: h.t, policy: h.policy, dir: h.t.TempDir(), kids: h.kids}
	h.t.Cleanup(o.end)
	o.start()
	return o
}

func (h *placedHost) start() {
	h.t.Helper()
	var was [3]*storage.Error
	for i, s := range h.kids { // so that nothing is paid before the workers are stopped
		was[i] = s.err.Load()
		s.fail(storage.CodeUnavailable)
	}
	j, err := journal.Open(h.dir, journal.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	env := Env{Journal: j, SpoolDir: h.t.TempDir(), Listener: event.Listener{Policy: func(i event.PolicyInfo) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, i)
	}}}
	h.journal = j
	if h.store, err = h.policy.Build("p", env, Children(h.kids.children()...)); err != nil {
		h.t.Fatal(err)
	}
	h.engine().stop()
	h.engine().workers.Wait()
	for i, s := range h.kids {
		s.err.Store(was[i])
	}
}

func (h *placedHost) end() {
	if h.store == nil {
		return
	}
	if err := errors.Join(h.store.Close(context.WithoutCancel(h.t.Context())), h.journal.Close()); err != nil {
		h.t.Error(err)
	}
	h.store = nil
}

func (h *placedHost) restart() {
	h.t.Helper()
	h.end()
	h.start()
}

func (h *placedHost) engine() *placed {
	return h.store.(struct {
		completed
		Reporter
	}).engine.(*placed)
}

// pay has all children pay what they owe.
func (h *placedHost) pay() error {
	var failures []error
	for i := range h.kids {
		failures = append(failures, h.engine().payAll(h.t.Context(), i))
	}
	return errors.Join(failures...)
}

func (h *placedHost) owed() int {
	n := 0
	for _, b := range h.store.(Reporter).Backlogs() {
		n += b.Entries
	}
	return n
}

func (h *placedHost) events(of event.PolicyEvent) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(h.told), func(i event.PolicyInfo) bool { return i.Event != of }))
}

// put puts value where place says.
func (h *placedHost) put(key, value, place string, cond storage.Condition) (storage.PutResult, error) {
	return h.store.Put(h.t.Context(), key, strings.NewReader(value), storage.PutOptions{ContentType: place, If: cond})
}

func (h *placedHost) mustPut(key, value, place string) storage.Object {
	h.t.Helper()
	res, err := h.put(key, value, place, storage.Condition{})
	if err != nil {
		h.t.Fatalf("put %q to %s: %v", value, place, err)
	}
	return res.Object
}

// reads expects key to be value, or to be missing if it is "".
func (h *placedHost) reads(key, value string) {
	h.t.Helper()
	for _, level := range []storage.Consistency{storage.ConsistencyStrong, storage.ConsistencyDefault, storage.ConsistencyEventual} {
		got, err := read(h.t, h.store, key, storage.GetOptions{Consistency: level})
		if value == "" && !errors.Is(err, storage.ErrNotFound) || value != "" && (err != nil || got != value) {
			h.t.Errorf("%v read: %q, %v; want %q", level, got, err, value)
		}
	}
	keys, _ := listAll(h.t, h.store, storage.ListOptions{Prefix: key})
	if slices.Contains(keys, key) != (value != "") {
		h.t.Errorf("listed %q, want %q: %v", keys, key, value != "")
	}
}

// copies are the values of key at the children.
func (h *placedHost) copies(key string) string {
	h.t.Helper()
	var values []string
	for _, s := range h.kids {
		v, err := read(h.t, inner(s), key, storage.GetOptions{})
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			h.t.Fatal(err)
		}
		values = append(values, v)
	}
	return strings.Join(values, "|")
}

// inner is the store in which a child keeps things, whatever is wrong with it.
func inner(s *switched) storage.Store {
	if l, ok := s.Store.(*losing); ok {
		return l.Store
	}
	return s.Store
}

func (h *placedHost) has(key, copies string) {
	h.t.Helper()
	if got := h.copies(key); got != copies {
		h.t.Errorf("the copies of %q are %s, want %s", key, got, copies)
	}
}
