package routing

import (
	"context"
	"slices"
	"sync"
)

// abandoned are deliveries that nobody waits for: enough replicas have the write,
// or its caller gave up. They go on, so that the copies become equal. A
// conditional write has them end first, since what it depends on must not change
// under it; so has any write to a replica that takes versions in any order.
type abandoned struct {
	mu   sync.Mutex
	keys map[string][]*delivery
}

func (a *abandoned) add(d *delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-d.over:
		return
	default:
	}
	if a.keys == nil {
		a.keys = make(map[string][]*delivery)
	}
	a.keys[d.key] = append(a.keys[d.key], d)
}

func (a *abandoned) remove(d *delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := slices.DeleteFunc(a.keys[d.key], func(other *delivery) bool { return other == d })
	if len(left) == 0 {
		delete(a.keys, d.key)
		return
	}
	a.keys[d.key] = left
}

// end cuts the deliveries of a key short and waits for them.
func (a *abandoned) end(ctx context.Context, key string) error {
	a.mu.Lock()
	all := slices.Clone(a.keys[key])
	a.mu.Unlock()
	for _, d := range all {
		d.cut()
		select {
		case <-d.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
