package wire

import (
	"context"
	"slices"
	"sync"
)

// keyOrder lets one write at a time commit to a key. A write takes its key
// before its commit can begin and checks afterwards whether its caller is still
// there: gRPC delivers a cancellation before any later call of the same
// connection, so a write that was given up either commits before its successor
// is let in, or not at all.
type keyOrder struct {
	mu   sync.Mutex
	keys map[string]*keyTurn
}

type keyTurn struct {
	turn chan struct{} // holds a token while the key is free
	refs int
}

// lock waits for the turn of every key and returns the function that gives
// them back.
func (o *keyOrder) lock(ctx context.Context, keys ...string) (unlock func(), err error) {
	if len(keys) > 1 {
		keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	}
	held := 0
	unlock = func() {
		for _, key := range keys[:held] {
			o.release(key, true)
		}
	}
	for _, key := range keys {
		turn := o.acquire(key)
		select {
		case <-turn:
			held++
		case <-ctx.Done():
			o.release(key, false)
			unlock()
			return nil, ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func (o *keyOrder) acquire(key string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.keys[key]
	if t == nil {
		if o.keys == nil {
			o.keys = make(map[string]*keyTurn)
		}
		t = &keyTurn{turn: make(chan struct{}, 1)}
		t.turn <- struct{}{}
		o.keys[key] = t
	}
	t.refs++
	return t.turn
}

func (o *keyOrder) release(key string, held bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.keys[key]
	if held {
		t.turn <- struct{}{}
	}
	if t.refs--; t.refs == 0 {
		delete(o.keys, key)
	}
}
