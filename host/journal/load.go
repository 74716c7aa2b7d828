package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// load fills the memory from the disk. It returns when what follows from it,
// such as marks that moved on, is durable.
func (j *Journal) load() error {
	if err := j.checkFormat(); err != nil {
		return err
	}
	for _, s := range []struct {
		space byte
		load  func(d *decoder, value []byte) error
	}{{targetSpace, j.loadTarget}, {entrySpace, j.loadEntry}, {valueSpace, j.loadValue}} {
		if err := j.each(s.space, s.load); err != nil {
			return err
		}
	}
	c := j.settleIn()
	if c == nil {
		return nil
	}
	return j.await(context.Background(), c)
}

func (j *Journal) checkFormat() error {
	key := []byte{formatSpace}
	value, closer, err := j.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return j.db.Set(key, binary.AppendUvarint(nil, format), pebble.Sync)
	}
	if err != nil {
		return err
	}
	found, _ := binary.Uvarint(value)
	if err := closer.Close(); err != nil {
		return err
	}
	if found != format {
		return fmt.Errorf("it has format %d and this host knows %d: use the host that wrote it", found, format)
	}
	return nil
}

func (j *Journal) each(space byte, load func(d *decoder, value []byte) error) error {
	iter, err := j.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return err
	}
	for valid := iter.First(); valid && err == nil; valid = iter.Next() {
		if err = load(&decoder{rest: iter.Key()[1:]}, iter.Value()); err != nil {
			err = fmt.Errorf("the record %q: %w; move the journal away to start without it, and repair every policy", iter.Key(), err)
		}
	}
	return firstError(err, iter.Error(), iter.Close())
}

func (j *Journal) loadTarget(k *decoder, value []byte) error {
	t := j.log(k.string()).target(k.string())
	v := decoder{rest: value}
	t.dirty = v.uvarint() != 0
	t.mark = v.uvarint()
	t.reason = string(v.rest)
	return firstError(k.err, v.err)
}

func (j *Journal) loadEntry(k *decoder, value []byte) error {
	t := j.log(k.string()).target(k.string())
	v := decoder{rest: value}
	e := &entry{key: string(k.rest), stored: true}
	e.version = v.uvarint()
	e.acked = e.version
	e.since = int64(v.uvarint()) //nolint:gosec // there and back
	e.note = string(v.rest)
	t.entries[e.key] = e
	j.newest = max(j.newest, e.version)
	return firstError(k.err, v.err)
}

func (j *Journal) loadValue(k *decoder, value []byte) error {
	j.values[string(k.rest)] = append(make([]byte, 0, len(value)), value...)
	return nil
}

// settleIn orders what was loaded and applies the bounds of today. It returns
// the commit to wait for, if any.
func (j *Journal) settleIn() *commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.tick()
	for _, l := range j.logs {
		for _, t := range l.targets {
			if t.dirty {
				t.mark++ // writes under way when the journal ended were perhaps missed
				t.notify()
				j.queueTarget(t, true)
				continue
			}
			t.settleIn(now)
			t.bound(now)
		}
	}
	return j.pending.commit
}

// settleIn orders and counts what was loaded.
func (t *target) settleIn(now int64) {
	all := make([]*entry, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.since, b.since) })
	for _, e := range all {
		e.since = min(e.since, now)                              // the clock may have been set back
		e.size = int32(entryOverhead + len(e.key) + len(e.note)) //nolint:gosec // keys and notes are short
		t.count++
		t.bytes += int64(e.size)
		t.order.place(e, e.since)
	}
	if len(all) > 0 {
		t.notify()
	}
}
