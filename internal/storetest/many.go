package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// list lists with drawn options.
func (m *machine) list(rt *rapid.T) {
	m.listAll(storage.ListOptions{
		Prefix:       rapid.SampledFrom([]string{"", "", "a", "a/", "é"}).Draw(rt, "prefix"),
		Delimiter:    rapid.SampledFrom([]string{"", "", "/"}).Draw(rt, "delimiter"),
		Limit:        rapid.SampledFrom([]int{0, 1, 2}).Draw(rt, "limit"),
		AllowPartial: rapid.IntRange(0, 3).Draw(rt, "partial") == 0,
	})
}

// listAll lists to the end and compares with the model.
func (m *machine) listAll(opts storage.ListOptions) {
	if m.err != nil {
		return
	}
	r := request{op: "list", key: opts.Prefix}
	from := time.Now()
	var listing storage.Page
	var err error
	m.host.use(func(s storage.Store) {
		err = within(patience, "list", func() (err error) {
			listing, err = wholeListing(s, opts)
			return err
		})
	})
	if err != nil {
		rep := reply{outcome: failed, err: err}
		if !acceptable(storage.CodeOf(err), false) {
			m.fail("list %+v fails in a way no fault explains: %w", opts, err)
		}
		m.mustServe(r, rep)
		return
	}
	if err := m.judgeListing(opts, listing, from, time.Now()); err != nil {
		m.fail("list %+v gives objects %v, prefixes %q: %w", opts, keysOf(listing), listing.Prefixes, err)
	}
}

func keysOf(p storage.Page) []string {
	var all []string
	for _, o := range p.Objects {
		all = append(all, o.Key)
	}
	return all
}

func wholeListing(s storage.Store, opts storage.ListOptions) (all storage.Page, err error) {
	for {
		page, err := s.List(context.Background(), opts)
		if err != nil {
			return all, err
		}
		limit := opts.Limit
		if limit == 0 {
			limit = storage.DefaultListLimit
		}
		if len(page.Objects)+len(page.Prefixes) > limit {
			return all, fmt.Errorf("a page has more than %d entries: %w", limit, errContract)
		}
		all.Objects = append(all.Objects, page.Objects...)
		all.Prefixes = append(all.Prefixes, page.Prefixes...)
		all.Partial = all.Partial || page.Partial
		if opts.Token = page.NextToken; opts.Token == "" {
			return all, nil
		}
	}
}

// errContract is an error no store gives.
var errContract = errors.New("the contract is broken")

func (m *machine) judgeListing(opts storage.ListOptions, got storage.Page, from, to time.Time) error {
	if got.Partial && !opts.AllowPartial {
		return errors.New("it is partial, which was not asked for")
	}
	names := keysOf(got)
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		return errors.New("the keys are not in order, or one is there twice")
	}
	if !slices.IsSorted(got.Prefixes) || len(slices.Compact(slices.Clone(got.Prefixes))) != len(got.Prefixes) {
		return errors.New("the prefixes are not in order, or one is there twice")
	}
	listed := make(map[string]bool)
	for _, o := range got.Objects {
		listed[o.Key] = true
		id, err := identify(o)
		if err != nil {
			return err
		}
		c := m.model.cell(o.Key)
		_, rolled := storage.CommonPrefix(o.Key, opts.Prefix, opts.Delimiter)
		if !strings.HasPrefix(o.Key, opts.Prefix) || rolled || !got.Partial && !m.model.allows(o.Key, c.loose, id, from, to) || !c.ever[id] {
			return fmt.Errorf("%q is there with value %d; it can only have %v", o.Key, id, c)
		}
		if err := m.model.object(o.Key, id, o); err != nil {
			return err
		}
	}
	return m.judgeMissing(opts, got, listed, from, to)
}

// judgeMissing checks that what is not listed can be absent, and that there is
// something behind every prefix.
func (m *machine) judgeMissing(opts storage.ListOptions, got storage.Page, listed map[string]bool, from, to time.Time) error {
	behind := make(map[string]bool)
	for _, key := range m.model.keys() {
		c := m.model.cell(key)
		if !strings.HasPrefix(key, opts.Prefix) {
			continue
		}
		prefix, rolled := storage.CommonPrefix(key, opts.Prefix, opts.Delimiter)
		if rolled {
			behind[prefix] = behind[prefix] || m.model.canExist(c.loose, key, from) || got.Partial
			listed[key] = slices.Contains(got.Prefixes, prefix)
		}
		if !listed[key] && !got.Partial && !m.model.allows(key, c.loose, absent, from, to) {
			return fmt.Errorf("%q is missing; it has %v", key, c)
		}
	}
	for _, prefix := range got.Prefixes {
		if !behind[prefix] {
			return fmt.Errorf("there is nothing behind the prefix %q", prefix)
		}
	}
	return nil
}

// batch runs several operations in a batch that is not atomic.
func (m *machine) batch(rt *rapid.T) {
	var requests []request
	var ops []storage.BatchOp
	for range rapid.IntRange(1, 5).Draw(rt, "operations") {
		r := request{op: rapid.SampledFrom([]string{"get", "stat"}).Draw(rt, "read"), key: m.key(rt)}
		if rapid.Bool().Draw(rt, "write") {
			r = m.aWrite(rt)
		}
		r.session, r.timeout = false, 0
		requests = append(requests, r)
		ops = append(ops, r.batchOp())
		if r.op == "put" {
			m.model.wrote(r.key, r.id, r.ttl)
		}
	}
	from := time.Now()
	var results []storage.BatchResult
	var err error
	killed := m.host.use(func(s storage.Store) {
		err = within(patience, "batch", func() (err error) {
			results, err = s.Batch(context.Background(), ops, storage.BatchOptions{})
			return err
		})
	})
	for i, r := range requests {
		var rep reply
		switch {
		case killed:
			rep = reply{outcome: unknown, err: errors.New("the host was killed"), killed: true}
		case err != nil:
			rep = r.reply(storage.Object{}, storage.Unknown, nil, err)
		case len(results) != len(ops):
			m.fail("a batch of %d operations has %d results", len(ops), len(results))
			return
		default:
			rep = r.result(results[i])
		}
		m.host.log.op("caller", "batch: "+r.String(), "", rep.String())
		m.learn(r, rep, from)
	}
}

func (r request) batchOp() storage.BatchOp {
	switch r.op {
	case "get":
		return storage.BatchOp{Kind: storage.BatchGet, Key: r.key}
	case "stat":
		return storage.BatchOp{Kind: storage.BatchStat, Key: r.key}
	case "put":
		opts := putOptions(r.id, r.size)
		opts.If, opts.TTL = r.cond, r.ttl
		return storage.BatchOp{Kind: storage.BatchPut, Key: r.key, Value: []byte(text(r.id, r.size)), Put: opts}
	default:
		return storage.BatchOp{Kind: storage.BatchDelete, Key: r.key, Delete: storage.DeleteOptions{If: r.cond}}
	}
}

func (r request) result(b storage.BatchResult) reply {
	existed := b.Existed
	if r.op == "put" && b.Created != storage.Unknown {
		existed = storage.TristateOf(b.Created == storage.No)
	}
	return r.reply(b.Object, existed, b.Value, b.Err)
}

// copy copies an object to another key.
func (m *machine) copy(rt *rapid.T) {
	src, dst := m.key(rt), m.key(rt)
	source := m.model.cell(src)
	for id := range source.loose {
		if id == absent {
			continue
		}
		w := *m.model.values[place{src, id}]
		if !w.expires.IsZero() {
			w.earliest, w.expires = w.expires, time.Time{} // a copy that lands late lives longer
		}
		if known := m.model.values[place{dst, id}]; known != nil && known.earliest.Before(w.earliest) {
			w.earliest = known.earliest // that copy can be the one that stays
		}
		m.model.values[place{dst, id}] = &w
		m.model.cell(dst).copied[id] = true
	}
	from := time.Now()
	var res storage.PutResult
	var err error
	m.host.use(func(s storage.Store) {
		err = within(patience, "copy", func() (err error) {
			res, err = s.Copy(context.Background(), src, dst, storage.CopyOptions{})
			return err
		})
	})
	m.host.log.op("caller", "copy "+src, dst, res.Object.ETag)
	m.judgeCopy(src, dst, res, err, from)
}

func (m *machine) judgeCopy(src, dst string, res storage.PutResult, err error, from time.Time) {
	source, target := m.model.cell(src), m.model.cell(dst)
	target.writes++
	r := request{op: "put", key: dst}
	rep := r.reply(storage.Object{}, storage.Unknown, nil, err)
	switch {
	case err == nil:
		id, err := identify(res.Object)
		if err == nil && !m.model.allows(src, source.loose, id, from, time.Now()) {
			err = fmt.Errorf("it copied value %d, but the source can only have %v", id, source)
		}
		if err == nil {
			err = m.model.object(dst, id, res.Object)
		}
		if err != nil {
			m.fail("copy %q to %q: %w", src, dst, err)
		}
		target.acknowledged(id)
	case errors.Is(err, storage.ErrNotFound):
		if !m.model.allows(src, source.loose, absent, from, time.Now()) {
			m.fail("copy %q to %q: there is nothing to copy; the source has %v", src, dst, source)
		}
	case rep.outcome == unknown:
		for id := range source.loose {
			if id != absent {
				target.uncertain(id)
			}
		}
		fallthrough
	default:
		if rep.wrong != nil {
			m.fail("%w", rep.wrong)
		}
		m.mustServe(request{op: "get", key: src}, rep)
	}
}
