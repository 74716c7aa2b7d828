package routing

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// lossy commits writes and loses the answers.
type lossy struct {
	storage.Store
	loses atomic.Bool
}

func (s *lossy) answer(err error) error {
	if err != nil || !s.loses.Load() {
		return err
	}
	lost := storage.Errorf(storage.CodeUnavailable, "the answer was lost")
	lost.OutcomeUnknown = true
	return lost
}

func (s *lossy) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	res, err := s.Store.Put(ctx, key, body, opts)
	return res, s.answer(err)
}

func (s *lossy) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	d, err := s.Store.Delete(ctx, key, opts)
	return d, s.answer(err)
}

// register is what a key may hold: the last acknowledged value, and those of later
// writes whose outcome is not known. "" stands for nothing.
type register map[string]bool

// world drives the policy with single operations, faults and kills, and knows
// what it may answer.
type world struct {
	*ladder
	rt     *rapid.T
	lossy  []*lossy
	keys   map[string]register
	writes int
}

func (w *world) key() string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.keys))).Draw(w.rt, "key")
}

func (w *world) value() string {
	w.writes++
	return fmt.Sprint("v", w.writes)
}

// wrote judges a write.
func (w *world) wrote(what, key, value string, err error) {
	w.rt.Logf("%s %s = %q: %v", what, key, value, err)
	switch {
	case err == nil:
		w.keys[key] = register{value: true}
	case storage.AsError(err).OutcomeUnknown:
		w.keys[key][value] = true
	case storage.CodeOf(err) != storage.CodeUnavailable && storage.CodeOf(err) != storage.CodeFailedPrecondition:
		w.rt.Fatalf("%s %s: %v", what, key, err)
	}
}

// saw judges a read.
func (w *world) saw(what, key, value string, err error) {
	w.rt.Logf("%s %s: %q, %v", what, key, value, err)
	switch {
	case err != nil && storage.CodeOf(err) == storage.CodeUnavailable:
	case err != nil && storage.CodeOf(err) != storage.CodeNotFound, !w.keys[key][value]:
		w.rt.Fatalf("%s %s: %q, %v; it may be any of %q", what, key, value, err, slices.Sorted(maps.Keys(w.keys[key])))
	}
}

func (w *world) Put(rt *rapid.T) {
	w.rt = rt
	key, value := w.key(), w.value()
	_, err := w.store.Put(w.Context(), key, strings.NewReader(value), storage.PutOptions{})
	w.wrote("put", key, value, err)
}

func (w *world) PutIf(rt *rapid.T) {
	w.rt = rt
	key, value := w.key(), w.value()
	cond := rapid.SampledFrom([]storage.Condition{storage.IfAbsent(), storage.IfExists()}).Draw(rt, "condition")
	_, err := w.store.Put(w.Context(), key, strings.NewReader(value), storage.PutOptions{If: cond})
	if err == nil && !w.keys[key][""] && cond == storage.IfAbsent() {
		rt.Fatalf("%s was there, and could be created", key)
	}
	w.wrote("put if", key, value, err)
}

func (w *world) Delete(rt *rapid.T) {
	w.rt = rt
	key := w.key()
	_, err := w.store.Delete(w.Context(), key, storage.DeleteOptions{})
	w.wrote("delete", key, "", err)
}

func (w *world) Batch(rt *rapid.T) {
	w.rt = rt
	var ops []storage.BatchOp
	for _, key := range slices.Sorted(maps.Keys(w.keys)) {
		ops = append(ops, storage.BatchOp{Kind: storage.BatchPut, Key: key, Value: []byte(w.value())})
	}
	results, err := w.store.Batch(w.Context(), ops, storage.BatchOptions{Atomic: rapid.Bool().Draw(rt, "atomic")})
	for i, op := range ops {
		each := err
		if err == nil {
			each = results[i].Err
		}
		w.wrote("batch", op.Key, string(op.Value), each)
	}
}

func (w *world) Read(rt *rapid.T) {
	w.rt = rt
	key := w.key()
	level := rapid.SampledFrom(levels()).Draw(rt, "level")
	r, err := w.store.Get(w.Context(), key, storage.GetOptions{Consistency: level})
	value := []byte{}
	if err == nil {
		value, err = r.Bytes()
	}
	w.saw(fmt.Sprint(level, " read"), key, string(value), err)
}

func (w *world) List(rt *rapid.T) {
	w.rt = rt
	page, err := w.store.List(w.Context(), storage.ListOptions{})
	if err != nil {
		w.saw("list", "", "", err)
		return
	}
	for key, may := range w.keys {
		listed := slices.ContainsFunc(page.Objects, func(o storage.Object) bool { return o.Key == key })
		if !listed && !may[""] || listed && len(may) == 1 && may[""] {
			rt.Fatalf("%s is listed: %t; it may be any of %q", key, listed, slices.Sorted(maps.Keys(may)))
		}
	}
}

func (w *world) Fault(rt *rapid.T) {
	i := rapid.IntRange(0, len(names)-1).Draw(rt, "child")
	kind := rapid.SampledFrom([]string{"none", "none", "down", "takes no writes", "loses answers"}).Draw(rt, "fault")
	rt.Logf("%s: %s", names[i], kind)
	w.well(i)
	switch kind {
	case "down":
		w.down(i)
	case "takes no writes":
		w.all[i].failWrites(storage.CodeUnavailable)
	case "loses answers":
		w.lossy[i].loses.Store(true)
	}
}

func (w *world) well(i int) {
	w.up(i)
	w.all[i].writeErr.Store(nil)
	w.lossy[i].loses.Store(false)
}

func (w *world) Kill(rt *rapid.T) {
	mode := rapid.SampledFrom([]string{WritesFailover, WritesFailover, WritesSticky}).Draw(rt, "writes")
	rt.Logf("kill, writes = %s", mode)
	w.kill(FirstAvailable{Writes: mode})
}

func TestNoAcknowledgedWriteIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{ladder: newLadder(t), rt: rt, keys: map[string]register{}}
		for _, s := range w.all {
			l := &lossy{Store: s.Store}
			s.Store, w.lossy = l, append(w.lossy, l)
		}
		for _, key := range []string{"a", "b", "c"} {
			w.keys[key] = register{"": true}
		}
		rt.Repeat(rapid.StateMachineActions(actions{w}))
		for i := range names {
			w.well(i)
		}
		if _, err := w.store.List(t.Context(), storage.ListOptions{}); err != nil {
			rt.Fatalf("with everybody well: %v", err)
		}
		for key := range w.keys {
			for _, level := range levels() {
				value, err := read(t, w.store, key, storage.GetOptions{Consistency: level})
				if err != nil && storage.CodeOf(err) != storage.CodeNotFound {
					rt.Fatalf("with everybody well: %v", err)
				}
				w.saw("last read", key, value, err)
				w.holds(0, key, value)
			}
		}
		if r, ok := w.store.(Reporter); ok && r.Backlogs()[0].Entries != 0 {
			rt.Fatalf("with everybody well: %+v", r.Backlogs())
		}
	})
}

// actions are those of a world.
type actions struct{ w *world }

func (a actions) Put(t *rapid.T)    { a.w.Put(t) }
func (a actions) PutIf(t *rapid.T)  { a.w.PutIf(t) }
func (a actions) Delete(t *rapid.T) { a.w.Delete(t) }
func (a actions) Batch(t *rapid.T)  { a.w.Batch(t) }
func (a actions) Read(t *rapid.T)   { a.w.Read(t) }
func (a actions) List(t *rapid.T)   { a.w.List(t) }
func (a actions) Fault(t *rapid.T)  { a.w.Fault(t) }
func (a actions) Kill(t *rapid.T)   { a.w.Kill(t) }
func (a actions) Check(*rapid.T)    {}

// One writer for each key, whose primary comes and goes; readers never see less
// than was acknowledged before they began.
func TestReadersSeeWhatWasAcknowledgedWhileThePrimaryFlaps(t *testing.T) {
	l := newLadder(t)
	const keys, rounds = 3, 150
	var acked [keys]atomic.Int64
	stop := make(chan struct{})
	var writers, others sync.WaitGroup
	for k := range keys {
		key := fmt.Sprint("k", k)
		l.put(key, "0")
		writers.Go(func() {
			for n := range int64(rounds) {
				if _, err := l.store.Put(t.Context(), key, strings.NewReader(fmt.Sprint(n+1)), storage.PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				acked[k].Store(n + 1)
			}
		})
		for _, level := range levels() {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					least := acked[k].Load()
					got, err := read(t, l.store, key, storage.GetOptions{Consistency: level})
					var n int64
					if err == nil {
						_, err = fmt.Sscan(got, &n)
					}
					if err != nil && storage.CodeOf(err) != storage.CodeUnavailable || err == nil && n < least {
						t.Errorf("a %v read gives %q, %v after %d was acknowledged", level, got, err, least)
						return
					}
				}
			})
		}
	}
	others.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if n%2 == 0 {
				l.down(0)
			} else {
				l.up(0)
			}
			_, _ = l.store.List(t.Context(), storage.ListOptions{})
		}
	})
	writers.Wait()
	close(stop)
	others.Wait()
	l.up(0)
	l.list(storage.ListOptions{})
	for k := range keys {
		l.reads(fmt.Sprint("k", k), fmt.Sprint(rounds))
		l.holds(0, fmt.Sprint("k", k), fmt.Sprint(rounds))
	}
}
