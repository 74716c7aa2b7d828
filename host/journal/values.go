package journal

import (
	"context"
	"fmt"
	"slices"
)

// Value returns what SetValue kept under name, nil if nothing. The caller owns
// it. It fails if the journal did: what it knows may not be durable.
func (j *Journal) Value(name string) ([]byte, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.halt != nil {
		return nil, j.halt
	}
	return slices.Clone(j.values[name]), nil
}

// SetValue keeps a small value durably; nil removes it. It waits for the disk.
// Values are held in memory: they are meant for cursors and topologies, see
// [MaxValueBytes] and [MaxValues].
func (j *Journal) SetValue(name string, value []byte) error {
	if len(value) > MaxValueBytes {
		return fmt.Errorf("the value %q has %d bytes; the journal keeps at most %d", name, len(value), MaxValueBytes)
	}
	c, err := j.setValue(name, value)
	if err != nil {
		return err
	}
	return j.await(context.Background(), c)
}

func (j *Journal) setValue(name string, value []byte) (*commit, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.halt != nil {
		return nil, j.halt
	}
	if value == nil {
		delete(j.values, name)
	} else {
		if _, known := j.values[name]; !known && len(j.values) >= MaxValues {
			return nil, fmt.Errorf("the journal keeps at most %d values; %q is one too many", MaxValues, name)
		}
		value = append(make([]byte, 0, len(value)), value...)
		j.values[name] = value
	}
	return j.queueValue(name, value), nil
}
