package routing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Route sends keys to a store.
type Route struct {
	// Prefix selects keys at a '/' boundary: "models" and "models/" take
	// "models/a", the first also "models" itself, and neither takes "modelsX".
	// The empty prefix takes every key.
	Prefix string
	To     storage.Store
}

// takes reports whether key is in the route's domain.
func (r Route) takes(key string) bool {
	switch {
	case !strings.HasPrefix(key, r.Prefix):
		return false
	case r.Prefix == "", len(key) == len(r.Prefix), strings.HasSuffix(r.Prefix, "/"):
		return true
	default:
		return key[len(r.Prefix)] == '/'
	}
}

// takesAll reports whether every key that begins with prefix is in the route's
// domain.
func (r Route) takesAll(prefix string) bool {
	return r.Prefix == "" || len(prefix) > len(r.Prefix) && r.takes(prefix) || prefix == r.Prefix && strings.HasSuffix(prefix, "/")
}

// Table is a store that sends each key to the store of the longest route that
// takes it. A key that no route takes is InvalidArgument.
//
// List goes over all routes, in order and without what one store holds of the
// domain of another. A batch is split among the stores of its keys; one that
// is atomic, and a transaction, must stay with one store, as a Watch must, and
// is Unimplemented otherwise. A Copy from one store to another is a Get and a
// Put.
//
// The capabilities of the table are those that hold for every key; of one key
// or prefix, [Table.CapabilitiesFor] tells.
type Table struct {
	routes []Route // the longest prefix first
	stores []storage.Store
	index  []int // of a route → its store in stores
}

// NewTable returns a table. Two routes with one prefix, or a route without a
// store, are InvalidArgument.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{routes: slices.Clone(routes)}
	slices.SortFunc(t.routes, func(a, b Route) int {
		if len(a.Prefix) != len(b.Prefix) {
			return len(b.Prefix) - len(a.Prefix)
		}
		return strings.Compare(a.Prefix, b.Prefix)
	})
	for i, r := range t.routes {
		switch {
		case r.To == nil:
			return nil, storage.Errorf(storage.CodeInvalidArgument, "the route %q leads nowhere", r.Prefix)
		case i > 0 && t.routes[i-1].Prefix == r.Prefix:
			return nil, storage.Errorf(storage.CodeInvalidArgument, "there are two routes %q", r.Prefix)
		}
		if err := storage.ValidatePrefix(r.Prefix); err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Prefix, err)
		}
		at := slices.IndexFunc(t.stores, func(s storage.Store) bool { return sameStore(s, r.To) })
		if at < 0 {
			at = len(t.stores)
			t.stores = append(t.stores, r.To)
		}
		t.index = append(t.index, at)
	}
	return t, nil
}

// route returns the index of the route that takes key, or -1.
func (t *Table) route(key string) int {
	return slices.IndexFunc(t.routes, func(r Route) bool { return r.takes(key) })
}

// store returns the index of the store of key.
func (t *Table) store(key string) (int, error) {
	if i := t.route(key); i >= 0 {
		return t.index[i], nil
	}
	return 0, storage.Errorf(storage.CodeInvalidArgument, "no route takes this key; a route with the prefix \"\" takes all")
}

// Capabilities are those that hold for every key. Atomic batches, transactions
// and watching are among them only if all routes lead to one store.
func (t *Table) Capabilities() storage.Capabilities {
	if len(t.stores) == 0 {
		return storage.Capabilities{}
	}
	caps := t.stores[0].Capabilities()
	for _, s := range t.stores[1:] {
		caps = caps.Intersect(s.Capabilities())
	}
	if len(t.stores) > 1 {
		caps.AtomicBatch, caps.Transactions, caps.Watch, caps.WatchLatency, caps.Copy = false, false, false, 0, false
	}
	return caps
}

// CapabilitiesFor are those of the store of key, which may also be a prefix
// that one route takes as a whole. They are empty if no route takes it.
func (t *Table) CapabilitiesFor(key string) storage.Capabilities {
	i, err := t.store(key)
	if err != nil {
		return storage.Capabilities{}
	}
	return t.stores[i].Capabilities()
}

// Close does nothing: the stores belong to who made them.
func (t *Table) Close(context.Context) error { return nil }

// CheckHealth returns what is wrong with any of the stores.
func (t *Table) CheckHealth(ctx context.Context) error {
	var failures []error
	for _, s := range t.stores {
		failures = append(failures, s.CheckHealth(ctx))
	}
	err := errors.Join(failures...)
	if err == nil {
		return nil
	}
	return storage.Annotate(storage.Errorf(storage.CodeUnavailable, "%w", err), "health", "")
}

// Get reads from the key's store.
func (t *Table) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	i, err := t.store(key)
	if err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	return t.stores[i].Get(ctx, key, opts)
}

// Put writes to the key's store.
func (t *Table) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	i, err := t.store(key)
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	return t.stores[i].Put(ctx, key, body, opts)
}

// Stat asks the key's store.
func (t *Table) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	i, err := t.store(key)
	if err != nil {
		return storage.Object{}, storage.Annotate(err, "stat", key)
	}
	return t.stores[i].Stat(ctx, key, opts)
}

// Delete deletes from the key's store.
func (t *Table) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	i, err := t.store(key)
	if err != nil {
		return storage.Deleted{}, storage.Annotate(err, "delete", key)
	}
	return t.stores[i].Delete(ctx, key, opts)
}

// Copy copies inside a store, or from one to another through the host. Then
// reserved metadata, which belongs to the policies of the source, stays behind.
func (t *Table) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if err := storage.ValidateCopy(src, dst, opts); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	from, err := t.store(src)
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", src)
	}
	to, err := t.store(dst)
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	if from == to {
		return t.stores[to].Copy(ctx, src, dst, opts)
	}
	return copyAcross(ctx, t.stores[from], t.stores[to], src, dst, opts)
}

// Watch watches the one store that the prefix belongs to.
func (t *Table) Watch(ctx context.Context, opts storage.WatchOptions) (storage.EventStream, error) {
	if err := storage.ValidateWatch(opts); err != nil {
		return nil, storage.Annotate(err, "watch", "")
	}
	sources := t.sources(opts.Prefix)
	if len(sources) == 0 {
		return nil, storage.Annotate(storage.Errorf(storage.CodeInvalidArgument, "no route takes keys with this prefix"), "watch", "")
	}
	store := t.index[sources[0]]
	for _, i := range sources[1:] {
		if t.index[i] != store {
			return nil, storage.Annotate(storage.Errorf(storage.CodeUnimplemented,
				"the prefix %q belongs to several routes; watch each of them", opts.Prefix), "watch", "")
		}
	}
	s, err := t.stores[store].Watch(ctx, opts)
	if err != nil {
		return nil, err
	}
	return routedStream{s, t, store}, nil
}

// routedStream leaves out events of keys that are another store's.
type routedStream struct {
	storage.EventStream
	table *Table
	store int
}

func (s routedStream) Next(ctx context.Context) (storage.Event, error) {
	for {
		ev, err := s.EventStream.Next(ctx)
		if err != nil || ev.Kind == storage.EventGap {
			return ev, err
		}
		if i := s.table.route(ev.Key); i >= 0 && s.table.index[i] == s.store {
			return ev, nil
		}
	}
}

// sources returns the routes that keys beginning with prefix may belong to.
func (t *Table) sources(prefix string) []int {
	var found []int
	for i, r := range t.routes {
		switch {
		case strings.HasPrefix(r.Prefix, prefix):
			found = append(found, i)
		case strings.HasPrefix(prefix, r.Prefix) && (r.takesAll(prefix) || r.takes(prefix)):
			// Routes further on are shorter; if this one takes all that is left,
			// nothing is left for them.
			found = append(found, i)
		}
		if r.takesAll(prefix) {
			break
		}
	}
	return found
}
