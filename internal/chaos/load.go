package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// patience bounds everything that is waited for: one operation, a recovery, the
// end of the debts. It is long, because the machine may be busy, and nothing is
// proven by how long something takes.
const patience = 5 * time.Minute

// So many of a hundred operations are given up by their caller after a moment, of
// at most that length.
const (
	impatient     = 3
	maxImpatience = 50 * time.Millisecond
)

// failurePause is how long a caller waits after an operation that failed.
const failurePause = 20 * time.Millisecond

// caller does one operation after another.
type caller struct {
	run      *run
	number   int
	random   *rand.Rand
	sequence int
}

func newCaller(r *run, number int) *caller {
	return &caller{run: r, number: number, random: r.random(uint64(number))} //nolint:gosec // small
}

// work goes on until ctx ends. Operations under way are done to their end.
func (c *caller) work(ctx context.Context) {
	for ctx.Err() == nil {
		if c.operate(context.WithoutCancel(ctx)) {
			continue
		}
		timer := time.NewTimer(failurePause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// operate does an operation and reports whether the host answered.
func (c *caller) operate(ctx context.Context) bool {
	store := c.run.store()
	if store == nil {
		return false // it was killed
	}
	within := patience
	if c.random.IntN(100) < impatient {
		within = time.Duration(c.random.Int64N(int64(maxImpatience)))
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	switch at := c.random.IntN(100); {
	case at < 30:
		return c.get(ctx, store, kindGet, storage.ConsistencyDefault)
	case at < 45:
		return c.get(ctx, store, kindStrongGet, storage.ConsistencyStrong)
	case at < 50:
		return c.list(ctx, store)
	case at < 75:
		return c.put(ctx, store, false)
	case at < 88:
		return c.put(ctx, store, true)
	default:
		return c.delete(ctx, store)
	}
}

func (c *caller) next() id {
	c.sequence++
	return id{c.number, c.sequence}
}

// size of a value: mostly small, sometimes nothing, rarely so large that the
// host keeps it in a file meanwhile.
func (c *caller) size() int {
	switch at := c.random.IntN(100); {
	case at < 5:
		return 0
	case at < 75:
		return 1 + c.random.IntN(4<<10)
	case at < 92:
		return c.random.IntN(128 << 10)
	case at < 98:
		return c.random.IntN(512 << 10)
	default:
		return c.random.IntN(2<<20 + 1)
	}
}

// get reads a key a few times: what one read has shown, the next may not take back.
func (c *caller) get(ctx context.Context, store storage.Store, kind string, level storage.Consistency) bool {
	o := c.run.model.any(c.random)
	for range c.random.IntN(3) {
		if !read(ctx, c.run, store, o, kind, level) {
			return false
		}
	}
	return read(ctx, c.run, store, o, kind, level)
}

// read gets a key and has the model judge what came.
func read(ctx context.Context, r *run, store storage.Store, o *object, kind string, level storage.Consistency) bool {
	done := r.tally.begin(kind)
	reading := r.model.read(o, kind, level == storage.ConsistencyStrong)
	found, value, err := fetch(ctx, store, o.key, level)
	switch {
	case err == nil:
		i, size := judged(found)
		reading.found(i, found.ETag, difference(o.key, i, size, value))
		return done(answered)
	case storage.CodeOf(err) == storage.CodeNotFound:
		reading.absent()
		return done(answered)
	default:
		reading.gaveUp(err)
		r.suspect(kind, o.key, err)
		return done(unavailable)
	}
}

func fetch(ctx context.Context, store storage.Store, key string, level storage.Consistency) (storage.Object, []byte, error) {
	reader, err := store.Get(ctx, key, storage.GetOptions{Consistency: level})
	if err != nil {
		return storage.Object{}, nil, err
	}
	defer reader.Close()
	value, err := reader.Bytes()
	return reader.Object, value, err
}

// judged is the write that an object says it is of, and its size.
func judged(o storage.Object) (id, int) {
	i, _ := parseContentType(o.ContentType)
	return i, int(o.Size)
}

func (c *caller) list(ctx context.Context, store storage.Store) bool {
	m := c.run.model
	done := c.run.tally.begin(kindList)
	readings := make(map[string]*reading, len(m.objects))
	for _, o := range m.objects {
		readings[o.key] = m.read(o, kindList, false)
	}
	objects, err := listing(ctx, store)
	if err != nil {
		c.run.suspect(kindList, "", err)
		return done(unavailable)
	}
	judge(c.run, objects, readings)
	return done(answered)
}

// judge has the model judge a whole listing.
func judge(r *run, objects []storage.Object, readings map[string]*reading) {
	for _, found := range objects {
		reading := readings[found.Key]
		if reading == nil {
			r.model.fault("a listing shows %q twice, or nobody ever put it", found.Key)
			return
		}
		delete(readings, found.Key)
		i, _ := judged(found)
		reading.found(i, found.ETag, "")
	}
	for _, reading := range readings {
		reading.absent()
	}
}

func listing(ctx context.Context, store storage.Store) ([]storage.Object, error) {
	var all []storage.Object
	for opts := (storage.ListOptions{Limit: 100}); ; {
		page, err := store.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Objects...)
		if opts.Token = page.NextToken; opts.Token == "" {
			return all, nil
		}
	}
}

func (c *caller) put(ctx context.Context, store storage.Store, conditional bool) bool {
	m := c.run.model
	o := m.claim(c.random)
	defer m.release(o)
	kind, cond := kindPut, condition{}
	if conditional {
		kind = kindConditional
		if cond = m.ifUnchanged(o); cond.none() || c.random.IntN(3) == 0 {
			cond = condition{absent: true}
		}
	}
	u := update{id: c.next(), size: c.size()}
	value := content(o.key, u.id, u.size)
	done := c.run.tally.begin(kind)
	w := m.write(o, u, cond)
	res, err := store.Put(ctx, o.key, bytes.NewReader(value), storage.PutOptions{
		If: cond.storage(), ContentType: u.id.contentType(),
	})
	if err == nil {
		existed := storage.Unknown
		if res.Created != storage.Unknown {
			existed = storage.TristateOf(res.Created == storage.No)
		}
		w.acknowledged(res.Object.ETag, existed)
		return done(answered)
	}
	return done(c.ended(kind, w, err))
}

func (c *caller) delete(ctx context.Context, store storage.Store) bool {
	m := c.run.model
	o := m.claim(c.random)
	defer m.release(o)
	var cond condition
	if c.random.IntN(4) == 0 {
		cond = m.ifUnchanged(o)
	}
	done := c.run.tally.begin(kindDelete)
	w := m.write(o, update{id: c.next(), deletes: true}, cond)
	res, err := store.Delete(ctx, o.key, storage.DeleteOptions{If: cond.storage()})
	if err == nil {
		w.acknowledged("", res.Existed)
		return done(answered)
	}
	return done(c.ended(kindDelete, w, err))
}

// ended notes the error of a write.
func (c *caller) ended(kind string, w *writing, err error) result {
	e := storage.AsError(err)
	switch {
	case e.OutcomeUnknown || e.Code == storage.CodeDeadlineExceeded || e.Code == storage.CodeCanceled:
		w.gaveUp(err, true)
		c.run.suspect(kind, w.object.key, err)
		return lost
	case e.Code == storage.CodeFailedPrecondition:
		w.refused(e.Current)
		return answered
	default:
		w.gaveUp(err, false)
		c.run.suspect(kind, w.object.key, err)
		return unavailable
	}
}

// suspect has an error count as a violation that does not just say that a
// process is away.
func (r *run) suspect(kind, key string, err error) {
	switch storage.CodeOf(err) {
	case storage.CodeUnavailable, storage.CodeThrottled, storage.CodeDeadlineExceeded, storage.CodeAborted, storage.CodeCanceled:
	case storage.CodeFailedPrecondition: // of unknown outcome
	default:
		r.model.fault("%s of %q failed in a way that no dead process explains: %v", kind, key, err)
	}
}
