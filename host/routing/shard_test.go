package routing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
	"github.com/p2p-ai-agents/stowage/sdk/storagetest"
)

// kids are three children called names, which can be broken.
type kids []*switched

func newKids(t testing.TB) kids { return kids{newSwitched(t), newSwitched(t), newSwitched(t)} }

func (k kids) children() []Child {
	all := make([]Child, len(k))
	for i, s := range k {
		all[i] = s.child(names[i])
	}
	return all
}

// holder returns the index of the only child that has key, or -1.
func (k kids) holder(t testing.TB, key string) int {
	t.Helper()
	at := -1
	for i, s := range k {
		_, err := s.Store.Stat(t.Context(), key, storage.StatOptions{})
		switch {
		case err == nil && at >= 0:
			t.Fatalf("%q is at %s and at %s", key, names[at], names[i])
		case err == nil:
			at = i
		case !errors.Is(err, storage.ErrNotFound):
			t.Fatal(err)
		}
	}
	return at
}

func shardOfThree(t testing.TB) (storage.Store, kids) {
	t.Helper()
	k := newKids(t)
	return build(t, Shard{Shards: names}, Env{}, k.children()...), k
}

func TestShardConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		Open: func(t testing.TB) storage.Backend {
			p, _ := shardOfThree(t)
			return p
		},
		Options: storagetest.Options{Alone: true, KeepOpen: true},
	})
}

func TestEveryKeyHasOneShard(t *testing.T) {
	p, c := shardOfThree(t)
	got := [3]int{}
	for i := range 300 {
		key := fmt.Sprint("key-", i)
		put(t, p, key, key)
		got[c.holder(t, key)]++
	}
	if slices.Min(got[:]) < 70 {
		t.Errorf("the shards have %d keys", got)
	}
	for i := range 300 {
		key := fmt.Sprint("key-", i)
		if v, err := read(t, p, key, storage.GetOptions{}); err != nil || v != key {
			t.Fatalf("read %q, %v", v, err)
		}
		if d, err := p.Delete(t.Context(), key, storage.DeleteOptions{}); err != nil || d.Existed != storage.Yes {
			t.Fatalf("deleted %v, %v", d, err)
		}
		if at := c.holder(t, key); at >= 0 {
			t.Fatalf("%q is still at %d", key, at)
		}
	}
}

func TestNoNeighbourStandsInForAShard(t *testing.T) {
	p, c := shardOfThree(t)
	ctx := t.Context()
	o := put(t, p, "k", "v")
	owner := c.holder(t, "k")
	ref := names[owner]
	for i, s := range c {
		if i != owner {
			put(t, s.Store, "k", "a neighbour's")
		}
	}
	c[owner].fail(storage.CodeUnavailable)
	for name, run := range map[string]func() error{
		"get": func() error { _, err := read(t, p, "k", storage.GetOptions{}); return err },
		"eventual get": func() error {
			_, err := read(t, p, "k", storage.GetOptions{Consistency: storage.ConsistencyEventual})
			return err
		},
		"stat": func() error { _, err := p.Stat(ctx, "k", storage.StatOptions{}); return err },
		"put":  func() error { _, err := p.Put(ctx, "k", strings.NewReader("w"), storage.PutOptions{}); return err },
		"conditional put": func() error {
			_, err := p.Put(ctx, "k", strings.NewReader("w"), storage.PutOptions{If: storage.IfETag(o.ETag)})
			return err
		},
		"delete":    func() error { _, err := p.Delete(ctx, "k", storage.DeleteOptions{}); return err },
		"copy from": func() error { _, err := p.Copy(ctx, "k", "other", storage.CopyOptions{}); return err },
		"copy to":   func() error { _, err := p.Copy(ctx, "k", "k", storage.CopyOptions{}); return err },
		"batch": func() error {
			results, err := p.Batch(ctx, []storage.BatchOp{{Kind: storage.BatchGet, Key: "k"}}, storage.BatchOptions{})
			if err != nil {
				return err
			}
			return results[0].Err
		},
		"list":   func() error { _, err := p.List(ctx, storage.ListOptions{}); return err },
		"health": func() error { return p.CheckHealth(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			err := run()
			wantCode(t, err, storage.CodeUnavailable)
			if !strings.Contains(err.Error(), ref) {
				t.Errorf("%v does not name %s", err, ref)
			}
		})
	}
	page, err := p.List(ctx, storage.ListOptions{AllowPartial: true})
	if err != nil || !page.Partial || !slices.Equal(page.FailedBackends, []string{ref}) || len(page.Objects) > 0 {
		t.Errorf("a partial listing: %+v, %v", page, err)
	}
	for i := range 50 { // the others serve on
		key := fmt.Sprint(i)
		if _, err := p.Put(ctx, key, strings.NewReader(""), storage.PutOptions{}); err != nil {
			wantCode(t, err, storage.CodeUnavailable)
		} else if at := c.holder(t, key); at == owner {
			t.Errorf("%q was written to the shard that is down", key)
		}
	}
}

func TestShardsDoNotShareETags(t *testing.T) {
	p, c := shardOfThree(t)
	a, b := put(t, p, "k", "v"), storage.Object{}
	for i := 0; b.Key == "" || c.holder(t, b.Key) == c.holder(t, "k"); i++ {
		b = put(t, p, fmt.Sprint(i), "v")
	}
	_, err := p.Put(t.Context(), "k", strings.NewReader("w"), storage.PutOptions{If: storage.IfETag(b.ETag)})
	if e := wantCode(t, err, storage.CodeFailedPrecondition); e.Current != a.ETag {
		t.Errorf("the current etag is %q, want %q", e.Current, a.ETag)
	}
	if _, err := p.Put(t.Context(), "k", strings.NewReader("w"), storage.PutOptions{If: storage.IfETag(a.ETag)}); err != nil {
		t.Errorf("with the object's own etag: %v", err)
	}
}

func TestShardListsOnlyWhatBelongsToAShard(t *testing.T) {
	p, c := shardOfThree(t)
	var want []string
	for i := range 40 {
		key := fmt.Sprintf("dir%02d/key", i)
		put(t, p, key, "v")
		want = append(want, key)
		owner := c.holder(t, key)
		put(t, c[(owner+1)%3].Store, key, "a stranger's")
		put(t, c[(owner+1)%3].Store, strangeTo((owner+1)%3, fmt.Sprintf("strange%02d/", i)), "a stranger's")
	}
	keys, prefixes := listAll(t, p, storage.ListOptions{Limit: 7})
	if !slices.Equal(keys, want) || len(prefixes) > 0 {
		t.Errorf("listed %q", keys)
	}
	_, prefixes = listAll(t, p, storage.ListOptions{Limit: 7, Delimiter: "/"})
	for i, key := range want {
		want[i] = strings.TrimSuffix(key, "key")
	}
	if !slices.Equal(prefixes, want) {
		t.Errorf("listed %q, want %q", prefixes, want)
	}
}

// strangeTo returns a key with prefix that does not belong to the child.
func strangeTo(child int, prefix string) string {
	ring := newRendezvous(names, []float64{1, 1, 1})
	for n := 0; ; n++ {
		if key := prefix + fmt.Sprint(n); ring.owner(key) != child {
			return key
		}
	}
}

func listAll(t testing.TB, s storage.Store, opts storage.ListOptions) (keys, prefixes []string) {
	t.Helper()
	for range 1000 {
		page, err := s.List(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Objects) + len(page.Prefixes); opts.Limit > 0 && n > opts.Limit {
			t.Fatalf("a page of %d, with limit %d", n, opts.Limit)
		}
		for _, o := range page.Objects {
			keys = append(keys, o.Key)
		}
		prefixes = append(prefixes, page.Prefixes...)
		if opts.Token = page.NextToken; opts.Token == "" {
			return keys, prefixes
		}
	}
	t.Fatal("the listing does not end")
	return nil, nil
}

func TestShardBatchesAndCopiesAcrossShards(t *testing.T) {
	p, c := shardOfThree(t)
	var ops []storage.BatchOp
	for i := range 30 {
		ops = append(ops, storage.BatchOp{Kind: storage.BatchPut, Key: fmt.Sprint(i), Value: []byte{byte(i)}})
	}
	for i := range 30 {
		ops = append(ops, storage.BatchOp{Kind: storage.BatchGet, Key: fmt.Sprint(i)})
	}
	results, err := p.Batch(t.Context(), ops, storage.BatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		c.holder(t, fmt.Sprint(i))
		if r := results[30+i]; r.Err != nil || !slices.Equal(r.Value, []byte{byte(i)}) || r.Object.ETag != results[i].Object.ETag {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	_, err = p.Batch(t.Context(), ops, storage.BatchOptions{Atomic: true})
	wantCode(t, err, storage.CodeUnimplemented)
	src := results[0].Object
	for i := range 30 {
		res, err := p.Copy(t.Context(), "0", fmt.Sprint("copy-", i), storage.CopyOptions{SourceIfMatch: src.ETag, If: storage.IfAbsent()})
		if err != nil || res.Object.CRC32C != src.CRC32C {
			t.Fatalf("copy %d: %+v, %v", i, res, err)
		}
		c.holder(t, res.Object.Key)
		now, err := p.Stat(t.Context(), res.Object.Key, storage.StatOptions{})
		if err != nil || now.ETag != res.Object.ETag {
			t.Fatalf("the copy has etag %q, not %q: %v", now.ETag, res.Object.ETag, err)
		}
	}
}

func TestShardOffersWhatAllShardsDo(t *testing.T) {
	all := newKids(t).children()
	all[1].Store = capped{all[1].Store, storage.Capabilities{ConditionalPut: true, MaxValueSize: 10}}
	p := build(t, Shard{Shards: names}, Env{}, all...)
	caps := p.Capabilities()
	if !caps.ConditionalPut || caps.TTL || caps.ConditionalDelete || caps.MaxValueSize != 10 || caps.Watch || caps.AtomicBatch || caps.Transactions {
		t.Errorf("it claims %+v", caps)
	}
	for i := range 20 { // whichever the owner is
		_, err := p.Put(t.Context(), fmt.Sprint(i), strings.NewReader("v"), storage.PutOptions{TTL: 1e9})
		wantCode(t, err, storage.CodeUnimplemented)
		_, err = p.Put(t.Context(), fmt.Sprint(i), strings.NewReader("more than ten bytes"), storage.PutOptions{})
		wantCode(t, err, storage.CodeTooLarge)
	}
}

func TestBadWeightsAreRefused(t *testing.T) {
	c := newKids(t)
	for want, weights := range map[string]map[string]float64{
		`none of backend.a, backend.b, backend.c`:        {"d": 1},
		`two weights for backend.a: "a" and "backend.a"`: {"a": 1, "backend.a": 2},
		"more than 0":     {"a": 0},
		"at most 1000000": {"a": 1e7},
		"not NaN":         {"a": math.NaN()},
	} {
		o := Shard{Shards: names, Weights: weights}
		_, err := o.Build("p", Env{}, Children(c.children()...))
		wantCode(t, err, storage.CodeInvalidArgument)
		diags := o.Check(func(string) []string { return nil })
		if !strings.Contains(err.Error(), want) || !diags.HasErrors() || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%v: %v; %v; want %q", weights, err, diags, want)
		}
	}
	_, _, err := weigh([]string{"backend.a", "policy.a"}, map[string]int{"a": 1})
	if err == nil || !strings.Contains(err.Error(), "could be that of backend.a or of policy.a") {
		t.Errorf("a name of two: %v", err)
	}
}
