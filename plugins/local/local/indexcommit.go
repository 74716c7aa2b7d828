package local

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// commit applies c with one synced batch. Commits that run at the same time
// share the sync.
func (x *index) commit(c *commit) error {
	if err := x.fault.err(); err != nil {
		return err
	}
	batch := x.db.NewBatch()
	for i := range c.changes {
		if err := writeChange(batch, &c.changes[i]); err != nil {
			return systemError(err)
		}
	}
	var buf []byte
	for i := range c.events {
		e := &c.events[i]
		buf = appendLogEntry(buf[:0], e)
		err := batch.Set(positionKey(e.position), buf, nil)
		if err == nil && e.position > x.history {
			err = batch.Delete(positionKey(e.position-x.history), nil)
		}
		if err != nil {
			return systemError(err)
		}
	}
	if err := x.apply(batch); err != nil {
		out := storage.AsError(err)
		out.OutcomeUnknown = true
		return out
	}
	return systemError(batch.Close())
}

// apply writes batch. A write-ahead log that fails makes pebble panic or call
// Fatalf.
func (x *index) apply(batch *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			x.fault.fail(fmt.Errorf("panic in the index: %v", p))
			err = x.fault.err()
		}
	}()
	if err := x.db.Apply(batch, pebble.Sync); err != nil {
		return systemError(err)
	}
	return x.fault.err()
}

func writeChange(batch *pebble.Batch, c *change) error {
	if old := c.old; old != nil {
		space := valueSpace
		if old.place == inFile {
			space = fileSpace
		}
		if err := batch.Delete(idKey(space, old.id), nil); err != nil {
			return err
		}
		if at := old.object.ExpiresAt; !at.IsZero() {
			if err := batch.Delete(expiryKey(at, c.key), nil); err != nil {
				return err
			}
		}
	}
	if c.next == nil {
		return batch.Delete(recordKey(c.key), nil)
	}
	return writeRecord(batch, c.next)
}

func writeRecord(batch *pebble.Batch, r *record) error {
	if err := batch.Set(recordKey(r.object.Key), appendRecord(nil, r), nil); err != nil {
		return err
	}
	if at := r.object.ExpiresAt; !at.IsZero() {
		if err := batch.Set(expiryKey(at, r.object.Key), nil, nil); err != nil {
			return err
		}
	}
	if r.place == inFile {
		return batch.Set(idKey(fileSpace, r.id), nil, nil)
	}
	key := idKey(valueSpace, r.id)
	op := batch.SetDeferred(len(key), int(r.object.Size))
	copy(op.Key, key)
	r.value.copyTo(op.Value, 0)
	return op.Finish()
}
