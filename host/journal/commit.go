package journal

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// pending is what the disk does not know yet. It names what changed; the commit
// writes its state at that time. So it is bounded by what there is.
type pending struct {
	commit  *commit // nil: nothing is pending
	entries map[*entry]*target
	targets map[*target]struct{}
	values  map[string][]byte // nil: removed
}

// commit is one write to the disk. Commits succeed in order.
type commit struct {
	sync bool
	done chan struct{}
	err  error // valid after done
}

func (c *commit) underWay() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// demand returns the commit that is pending, which is to be durable. There is
// none if the journal ended.
func (p *pending) demand() *commit {
	if p.commit != nil {
		p.commit.sync = true
	}
	return p.commit
}

// queue returns what is pending, or nil if nothing is written any more. j.mu is
// held.
func (j *Journal) queue() *pending {
	if j.halt != nil {
		return nil
	}
	p := &j.pending
	if p.commit == nil {
		p.commit = &commit{done: make(chan struct{})}
		select {
		case j.work <- struct{}{}:
		default:
		}
	}
	return p
}

func (j *Journal) queueEntry(t *target, e *entry) {
	if e.gone && !e.stored {
		delete(j.pending.entries, e)
		return
	}
	if p := j.queue(); p != nil {
		if p.entries == nil {
			p.entries = make(map[*entry]*target)
		}
		p.entries[e] = t
	}
}

func (j *Journal) queueTarget(t *target, sync bool) *commit {
	p := j.queue()
	if p == nil {
		return nil
	}
	if p.targets == nil {
		p.targets = make(map[*target]struct{})
	}
	p.targets[t] = struct{}{}
	p.commit.sync = p.commit.sync || sync
	return p.commit
}

func (j *Journal) queueValue(name string, value []byte) *commit {
	p := j.queue()
	if p == nil {
		return nil
	}
	if p.values == nil {
		p.values = make(map[string][]byte)
	}
	p.values[name] = value
	return p.demand()
}

// commits is the goroutine that writes what is pending until the journal is
// closed or fails.
func (j *Journal) commits() {
	defer close(j.drained)
	for {
		select {
		case <-j.work:
			j.commitPending(false)
		case <-j.closing:
			j.commitPending(true)
			return
		case <-j.fault.set:
			return
		}
	}
}

func (j *Journal) commitPending(sync bool) {
	batch := j.db.NewBatch()
	c, err := j.take(batch)
	if c == nil {
		if !sync {
			_ = batch.Close()
			return
		}
		c = &commit{done: make(chan struct{})}
	}
	c.sync = c.sync || sync
	if err == nil {
		err = j.apply(batch, c.sync)
	}
	if err != nil {
		j.fault.fail(err)
		c.err = j.fault.err()
	}
	close(c.done)
}

// take makes a batch of what is pending.
func (j *Journal) take(batch *pebble.Batch) (*commit, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.pending
	j.pending = pending{}
	w := batchWriter{batch: batch}
	for t := range p.targets {
		if t.erase {
			t.erase = false
			w.erase(t.prefix)
		}
		w.set(targetKey(t.log.name, t.name), appendTarget(nil, t.dirty, t.mark, t.reason))
	}
	// Those that are gone come first: a new one may have the same key.
	for e, t := range p.entries {
		if e.gone && e.stored && !t.dirty {
			e.stored = false
			w.remove(entryKey(t.prefix, e.key))
		}
	}
	for e, t := range p.entries {
		if e.gone || t.dirty {
			continue
		}
		version, note, since := e.owed()
		if version != 0 {
			e.stored = true
			w.set(entryKey(t.prefix, e.key), appendEntry(nil, version, since, note))
		} else if e.stored {
			e.stored = false
			w.remove(entryKey(t.prefix, e.key))
		}
	}
	for name, value := range p.values {
		if value == nil {
			w.remove(valueKey(name))
		} else {
			w.set(valueKey(name), value)
		}
	}
	return p.commit, w.err
}

// apply writes batch. A write-ahead log that fails makes pebble panic or call
// Fatalf.
func (j *Journal) apply(batch *pebble.Batch, sync bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the database: %v", p)
		}
	}()
	if err := j.fault.err(); err != nil {
		return err
	}
	if batch.Empty() {
		if !sync {
			return batch.Close()
		}
		if err := batch.LogData(nil, nil); err != nil { // carries the sync of what came before
			return err
		}
	}
	if err := j.db.Apply(batch, &pebble.WriteOptions{Sync: sync}); err != nil {
		return err
	}
	if err := j.fault.err(); err != nil {
		return err
	}
	return batch.Close()
}

// batchWriter keeps the first error.
type batchWriter struct {
	batch *pebble.Batch
	err   error
}

func (w *batchWriter) set(key, value []byte) { w.keep(w.batch.Set(key, value, nil)) }

func (w *batchWriter) remove(key []byte) { w.keep(w.batch.Delete(key, nil)) }

func (w *batchWriter) erase(prefix []byte) {
	w.keep(w.batch.DeleteRange(prefix, prefixEnd(prefix), nil))
}

func (w *batchWriter) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}
