// Package turn lets one at a time have its turn at a key.
package turn

import (
	"context"
	"slices"
	"sync"
)

// Keys gives turns. The zero value is ready; it is safe for concurrent use and
// holds nothing for a key that nobody has or waits for.
type Keys struct {
	mu   sync.Mutex
	keys map[string]*key
}

type key struct {
	turn chan struct{} // holds a token while the key is free
	refs int
}

// Lock waits for the turn of every one of keys and returns the function that
// gives them back. If ctx ends first, no turn is kept and the error is that of
// ctx.
func (o *Keys) Lock(ctx context.Context, keys ...string) (unlock func(), err error) {
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

// Interested returns how many have the turn of name or wait for it.
func (o *Keys) Interested(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.keys[name]; k != nil {
		return k.refs
	}
	return 0
}

func (o *Keys) acquire(name string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.keys[name]
	if t == nil {
		if o.keys == nil {
			o.keys = make(map[string]*key)
		}
		t = &key{turn: make(chan struct{}, 1)}
		t.turn <- struct{}{}
		o.keys[name] = t
	}
	t.refs++
	return t.turn
}

func (o *Keys) release(name string, held bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.keys[name]
	if held {
		t.turn <- struct{}{}
	}
	if t.refs--; t.refs == 0 {
		delete(o.keys, name)
	}
}
