package routing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

func table(t testing.TB, routes ...Route) *Table {
	t.Helper()
	table, err := NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// The keys of one run of the kit share a first part, so they fall into one
// route; that listings go over several is the model's to test.
func TestTableConformance(t *testing.T) {
	t.Parallel()
	t.Run("one route", func(t *testing.T) {
		t.Parallel()
		storagetest.Run(t, storagetest.Harness{
			Open:    func(t testing.TB) storage.Backend { return table(t, Route{"", memory(t)}) },
			Options: storagetest.Options{Alone: true, KeepOpen: true},
		})
	})
	t.Run("one of several routes", func(t *testing.T) {
		t.Parallel()
		storagetest.Run(t, storagetest.Harness{
			Open: func(t testing.TB) storage.Backend {
				return table(t, Route{"", memory(t)}, Route{"a", memory(t)}, Route{"kit/b/", memory(t)}, Route{"kit/", memory(t)})
			},
			Options: storagetest.Options{Prefix: "kit/", KeepOpen: true},
		})
	})
}

func TestTheLongestRouteWins(t *testing.T) {
	names := []string{"", "models", "models/big/", "logs/"}
	var routes []Route
	for _, name := range names {
		m := memory(t)
		routes = append(routes, Route{name, m})
	}
	tab := table(t, routes...)
	for key, want := range map[string]string{
		"x": "", "model": "", "modelsX": "", "models": "models", "models/": "models", "models/a": "models",
		"models/big": "models", "models/big/": "models/big/", "models/big/a": "models/big/", "models/bigger": "models",
		"logs": "", "logs/": "logs/", "logs/a": "logs/",
	} {
		put(t, tab, key, want)
		for _, r := range routes {
			_, err := r.To.Stat(t.Context(), key, storage.StatOptions{})
			if (err == nil) != (r.Prefix == want) {
				t.Errorf("the key %q in the store of route %q: %v", key, r.Prefix, err)
			}
		}
		if got, err := read(t, tab, key, storage.GetOptions{}); err != nil || got != want {
			t.Errorf("get %q: %q, %v", key, got, err)
		}
		if _, err := tab.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
}

func TestBadTablesAreRefused(t *testing.T) {
	m := memory(t)
	for name, routes := range map[string][]Route{
		"twice":     {{"a/", m}, {"a/", m}},
		"nowhere":   {{"a/", nil}},
		"not UTF-8": {{"\xff", m}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable(routes)
			wantCode(t, err, storage.CodeInvalidArgument)
		})
	}
}

func TestKeysWithoutRoute(t *testing.T) {
	tab := table(t, Route{"a/", memory(t)})
	ctx := t.Context()
	for name, run := range map[string]func() error{
		"get":    func() error { _, err := tab.Get(ctx, "b", storage.GetOptions{}); return err },
		"put":    func() error { _, err := tab.Put(ctx, "b", strings.NewReader(""), storage.PutOptions{}); return err },
		"stat":   func() error { _, err := tab.Stat(ctx, "b", storage.StatOptions{}); return err },
		"delete": func() error { _, err := tab.Delete(ctx, "b", storage.DeleteOptions{}); return err },
		"copy":   func() error { _, err := tab.Copy(ctx, "b", "a/x", storage.CopyOptions{}); return err },
		"watch":  func() error { _, err := tab.Watch(ctx, storage.WatchOptions{Prefix: "b"}); return err },
		"batch": func() error {
			_, err := tab.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchStat, Key: "b"}}, storage.BatchOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, run(), storage.CodeInvalidArgument) })
	}
}

func TestBatchesAreSplit(t *testing.T) {
	one, other := newSwitched(t), newSwitched(t)
	tab := table(t, Route{"", one}, Route{"o/", other}, Route{"p/", other})
	ops := []storage.BatchOp{
		{Kind: storage.BatchPut, Key: "a", Value: []byte("1")},
		{Kind: storage.BatchPut, Key: "o/a", Value: []byte("2")},
		{Kind: storage.BatchGet, Key: "a"},
		{Kind: storage.BatchGet, Key: "o/a"},
	}
	results, err := tab.Batch(t.Context(), ops, storage.BatchOptions{})
	if err != nil || string(results[2].Value) != "1" || string(results[3].Value) != "2" {
		t.Fatalf("split batch: %+v, %v", results, err)
	}
	_, err = tab.Batch(t.Context(), ops, storage.BatchOptions{Atomic: true})
	wantCode(t, err, storage.CodeUnimplemented)
	_, err = tab.Commit(t.Context(), storage.Transaction{Checks: []storage.Check{{Key: "o/a"}}, Ops: ops[:1]})
	wantCode(t, err, storage.CodeUnimplemented)
	same := []storage.BatchOp{{Kind: storage.BatchDelete, Key: "o/a"}, {Kind: storage.BatchDelete, Key: "p/a"}}
	if _, err := tab.Batch(t.Context(), same, storage.BatchOptions{Atomic: true}); err != nil {
		t.Errorf("an atomic batch on two routes to one store: %v", err)
	}
	if _, err := tab.Commit(t.Context(), storage.Transaction{Ops: same}); err != nil {
		t.Errorf("a transaction on two routes to one store: %v", err)
	}
	other.fail(storage.CodeUnavailable)
	results, err = tab.Batch(t.Context(), ops, storage.BatchOptions{})
	if err != nil || results[0].Err != nil || results[2].Err != nil {
		t.Fatalf("the store that works: %+v, %v", results, err)
	}
	wantCode(t, results[1].Err, storage.CodeUnavailable)
	wantCode(t, results[3].Err, storage.CodeUnavailable)
}

func TestReadsOfASplitBatchAreBounded(t *testing.T) {
	tab := table(t, Route{"", memory(t)}, Route{"o/", memory(t)})
	value := string(bytes.Repeat([]byte("x"), storage.MaxBatchBytes*3/4))
	put(t, tab, "a", value)
	put(t, tab, "o/a", value)
	results, err := tab.Batch(t.Context(), []storage.BatchOp{
		{Kind: storage.BatchGet, Key: "a"}, {Kind: storage.BatchGet, Key: "o/a"},
	}, storage.BatchOptions{})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results[0].Err)
	}
	wantCode(t, results[1].Err, storage.CodeTooLarge)
}

func TestCopyAcrossRoutes(t *testing.T) {
	one, other := memory(t), memory(t)
	tab := table(t, Route{"", one}, Route{"o/", other})
	src, err := one.Put(t.Context(), "src", strings.NewReader("value"), storage.PutOptions{
		ContentType: "text/plain", Metadata: map[string]string{"a": "b", "stowage-version": "7"}, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := tab.Copy(t.Context(), "src", "o/dst", storage.CopyOptions{SourceIfMatch: src.Object.ETag, If: storage.IfAbsent()})
	if err != nil {
		t.Fatal(err)
	}
	o, err := other.Stat(t.Context(), "o/dst", storage.StatOptions{})
	if err != nil || o.ETag != res.Object.ETag || o.ContentType != "text/plain" || o.Metadata["a"] != "b" || o.CRC32C != src.Object.CRC32C {
		t.Errorf("the copy is %+v, %v", o, err)
	}
	if left := time.Until(o.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the copy expires in %v", left)
	}
	if _, kept := o.Metadata["stowage-version"]; kept {
		t.Error("reserved metadata went along")
	}
	_, err = tab.Copy(t.Context(), "src", "o/dst", storage.CopyOptions{If: storage.IfAbsent()})
	wantCode(t, err, storage.CodeFailedPrecondition)
	_, err = tab.Copy(t.Context(), "missing", "o/dst", storage.CopyOptions{})
	if e := wantCode(t, err, storage.CodeNotFound); e.Key != "missing" {
		t.Errorf("the error is about %q", e.Key)
	}
	_, err = tab.Copy(t.Context(), "src", "o/dst", storage.CopyOptions{SourceIfMatch: "other"})
	wantCode(t, err, storage.CodeFailedPrecondition)
}

func TestCapabilitiesOfATable(t *testing.T) {
	limited := capped{memory(t), storage.Capabilities{TTL: true, MaxValueSize: 10}}
	full := memory(t)
	tab := table(t, Route{"", full}, Route{"small/", limited})
	all := tab.Capabilities()
	if all.ConditionalPut || all.Watch || all.AtomicBatch || !all.TTL || all.MaxValueSize != 10 {
		t.Errorf("the table claims %+v", all)
	}
	if got := tab.CapabilitiesFor("x"); got != full.Capabilities() {
		t.Errorf("a key of the first route has %+v", got)
	}
	if got := tab.CapabilitiesFor("small/x"); got.MaxValueSize != 10 || got.ConditionalPut {
		t.Errorf("a key of the second route has %+v", got)
	}
	if got := table(t, Route{"", full}, Route{"a/", full}).Capabilities(); !got.Watch || !got.AtomicBatch || !got.Transactions {
		t.Errorf("a table of one store claims %+v", got)
	}
}

type capped struct {
	storage.Store
	caps storage.Capabilities
}

func (c capped) Capabilities() storage.Capabilities { return c.caps }

func TestWatchStaysWithOneStore(t *testing.T) {
	one, other := memory(t), memory(t)
	tab := table(t, Route{"", one}, Route{"o/", other})
	_, err := tab.Watch(t.Context(), storage.WatchOptions{})
	wantCode(t, err, storage.CodeUnimplemented)
	w, err := tab.Watch(t.Context(), storage.WatchOptions{Prefix: "o/"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, tab, "o/a", "v")
	if ev, err := w.Next(t.Context()); err != nil || ev.Key != "o/a" {
		t.Errorf("event %+v, %v", ev, err)
	}
	_ = w.Close()

	shadowing := table(t, Route{"", one}, Route{"o/", other}, Route{"x", one})
	w, err = shadowing.Watch(t.Context(), storage.WatchOptions{Prefix: "x"}) // "x" and "xa" are of two routes to one store
	if err != nil {
		t.Fatal(err)
	}
	put(t, shadowing, "xa", "v")
	put(t, shadowing, "x/a", "v")
	for _, want := range []string{"xa", "x/a"} {
		if ev, err := w.Next(t.Context()); err != nil || ev.Key != want {
			t.Errorf("event %+v, %v; want %q", ev, err, want)
		}
	}
	_ = w.Close()
}

func TestListLeavesOutAStoreOnlyWhenAsked(t *testing.T) {
	one, other := newSwitched(t), newSwitched(t)
	tab := table(t, Route{"", one}, Route{"o/", other})
	put(t, tab, "a", "v")
	put(t, tab, "o/a", "v")
	other.fail(storage.CodeUnavailable)
	_, err := tab.List(t.Context(), storage.ListOptions{})
	wantCode(t, err, storage.CodeUnavailable)
	page, err := tab.List(t.Context(), storage.ListOptions{AllowPartial: true})
	if err != nil || !page.Partial || len(page.Objects) != 1 || !slices.Equal(page.FailedBackends, []string{"route o/"}) {
		t.Errorf("partial page %+v, %v", page, err)
	}
	_, err = tab.List(t.Context(), storage.ListOptions{Token: "nonsense"})
	wantCode(t, err, storage.CodeInvalidArgument)
}

// Against a model: whatever the routes, and whatever their stores hold of each
// other's domains, a listing shows the keys that a Get would find, each once,
// in order, in pages of the asked size; what is inserted or deleted while it
// goes on does not disturb the rest.
func TestListMergesAsTheModelSays(t *testing.T) {
	key := rapid.StringOfN(rapid.SampledFrom([]rune("ab/-")), 1, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		prefixes := rapid.SliceOfNDistinct(rapid.StringOfN(rapid.SampledFrom([]rune("ab/-")), 0, 3, -1), 1, 4, rapid.ID).Draw(t, "routes")
		var stores []storage.Store
		for range rapid.IntRange(1, 3).Draw(t, "stores") {
			stores = append(stores, storage.Complete(local.OpenMemory(local.MemoryOptions{})))
		}
		defer func() {
			for _, s := range stores {
				if err := s.Close(ctx); err != nil {
					t.Error(err)
				}
			}
		}()
		var routes []Route
		for i, p := range prefixes {
			routes = append(routes, Route{p, stores[i%len(stores)]})
		}
		tab, err := NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		set := func(s storage.Store, key string) {
			if _, err := s.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range stores { // also what is not theirs
			for _, k := range rapid.SliceOfN(key, 0, 12).Draw(t, "keys") {
				set(s, k)
			}
		}
		visible := func(prefix string) []string {
			found := map[string]bool{}
			for _, s := range stores {
				page, err := s.List(ctx, storage.ListOptions{Prefix: prefix})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page.Objects {
					if _, err := tab.Stat(ctx, o.Key, storage.StatOptions{}); err == nil {
						found[o.Key] = true
					}
				}
			}
			var keys []string
			for k := range found {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			return keys
		}

		opts := storage.ListOptions{
			Prefix:    rapid.StringOfN(rapid.SampledFrom([]rune("ab/-")), 0, 2, -1).Draw(t, "prefix"),
			Delimiter: rapid.SampledFrom([]string{"", "/", "-", "-/"}).Draw(t, "delimiter"),
			Limit:     rapid.IntRange(1, 4).Draw(t, "limit"),
		}
		want := rolledUp(visible(opts.Prefix), opts)
		meddle := rapid.Bool().Draw(t, "meddle")
		var got []string
		for pages := 0; ; pages++ {
			if pages > 200 {
				t.Fatal("the listing does not end")
			}
			page, err := tab.List(ctx, opts)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Objects) + len(page.Prefixes); n > opts.Limit {
				t.Fatalf("a page of %d, with limit %d", n, opts.Limit)
			}
			for _, e := range entries(page) {
				got = append(got, e.name)
			}
			if opts.Token = page.NextToken; opts.Token == "" {
				break
			}
			if meddle && len(got) > 0 { // behind the position nothing may come back
				for i, s := range stores {
					set(s, got[len(got)-1])
					if k := opts.Prefix + fmt.Sprint("!", i); k < got[len(got)-1] {
						set(s, k)
					}
				}
			}
		}
		if meddle {
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Fatalf("disorder: %q", got)
			}
			for _, name := range want {
				if !slices.Contains(got, name) {
					t.Fatalf("%q was lost: listed %q", name, got)
				}
			}
			return
		}
		if !slices.Equal(got, want) {
			t.Fatalf("listed %q, want %q", got, want)
		}
	})
}

func rolledUp(keys []string, opts storage.ListOptions) []string {
	var names []string
	for _, k := range keys {
		if p, ok := storage.CommonPrefix(k, opts.Prefix, opts.Delimiter); ok {
			k = p
		}
		names = append(names, k)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestListRestartsWhenTheTokensAreTooLong(t *testing.T) {
	token := mergeToken{After: "k", Pages: map[string]string{"a": strings.Repeat("x", storage.MaxTokenBytes)}}.String()
	got, err := parseMergeToken(token)
	if err != nil || len(token) > storage.MaxTokenBytes || got.After != "k" || got.Pages != nil {
		t.Errorf("token of %d bytes: %+v, %v", len(token), got, err)
	}
}

func TestHealthOfATableIsThatOfAll(t *testing.T) {
	one, other := newSwitched(t), newSwitched(t)
	tab := table(t, Route{"", one}, Route{"o/", other})
	if err := tab.CheckHealth(t.Context()); err != nil {
		t.Error(err)
	}
	other.fail(storage.CodeInternal)
	if err := tab.CheckHealth(t.Context()); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "switched to internal error") {
		t.Errorf("with one store down: %v", err)
	}
}
