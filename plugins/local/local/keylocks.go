package local

import (
	"context"
	"hash/maphash"
	"slices"
)

// lockStripes is how many locks the keys share. Two keys on one stripe wait
// for each other's commit and nothing worse.
const lockStripes = 512

// keyLocks serialises the commits of each key. A lock is held across a sync of
// the disk, so waiting for one ends with the context.
type keyLocks struct {
	seed    maphash.Seed
	stripes [lockStripes]chan struct{}
}

func newKeyLocks() *keyLocks {
	l := &keyLocks{seed: maphash.MakeSeed()}
	for i := range l.stripes {
		l.stripes[i] = make(chan struct{}, 1)
	}
	return l
}

func (l *keyLocks) stripe(key string) int {
	return int(maphash.String(l.seed, key) % lockStripes) //nolint:gosec // below lockStripes
}

// lock takes the lock of key; the returned channel is given to unlock.
func (l *keyLocks) lock(ctx context.Context, key string) (chan struct{}, error) {
	stripe := l.stripes[l.stripe(key)]
	select {
	case stripe <- struct{}{}:
		return stripe, nil
	default:
	}
	select {
	case stripe <- struct{}{}:
		return stripe, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func unlock(stripe chan struct{}) { <-stripe }

// lockAll takes the locks of all keys, in the one order that excludes
// deadlock.
func (l *keyLocks) lockAll(ctx context.Context, keys []string) (release func(), err error) {
	numbers := make([]int, len(keys))
	for i, key := range keys {
		numbers[i] = l.stripe(key)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	for held, n := range numbers {
		select {
		case l.stripes[n] <- struct{}{}:
		case <-ctx.Done():
			l.unlockAll(numbers[:held])
			return nil, ctx.Err()
		}
	}
	return func() { l.unlockAll(numbers) }, nil
}

func (l *keyLocks) unlockAll(numbers []int) {
	for _, n := range numbers {
		<-l.stripes[n]
	}
}
