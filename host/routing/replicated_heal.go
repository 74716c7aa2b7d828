package routing

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// MaxQueuedRepairs bounds the keys that reads found to differ and that wait to
// be repaired. Those beyond are left to later reads and to repair.
const MaxQueuedRepairs = 1024

// Pauses of the replay of hints to a replica that does not take them.
const (
	replayPauseFirst   = 100 * time.Millisecond
	replayPauseLongest = 5 * time.Second
	replayBatch        = 64
	// replayFailures in a row end an attempt: it is the replica, not a key.
	replayFailures = 8
)

// healTimeout bounds the repair of one key outside of operations.
const healTimeout = 5 * time.Minute

// ailing is a key to be repaired, and the replica whose value is damaged, if any.
type ailing struct {
	key     string
	corrupt *replica
}

// healer is the queue of keys that reads found to differ.
type healer struct {
	mu     sync.Mutex
	queued map[ailing]struct{}
	wake   chan struct{}
}

func (h *healer) init() { h.queued, h.wake = make(map[ailing]struct{}), make(chan struct{}, 1) }

func (h *healer) take() []ailing {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]ailing, 0, len(h.queued))
	for a := range h.queued {
		all = append(all, a)
	}
	clear(h.queued)
	return all
}

// queue has a key repaired soon. corrupt is the replica whose value is not what
// its checksum says, or nil.
func (e *replicated) queue(key string, corrupt *replica) {
	e.heal.mu.Lock()
	defer e.heal.mu.Unlock()
	if len(e.heal.queued) >= MaxQueuedRepairs {
		return
	}
	e.heal.queued[ailing{key, corrupt}] = struct{}{}
	select {
	case e.heal.wake <- struct{}{}:
	default:
	}
}

// healQueued repairs what reads found until the engine is closed. A key that
// cannot be repaired now is found again by its next read.
func (e *replicated) healQueued() {
	for {
		select {
		case <-e.life.Done():
			return
		case <-e.heal.wake:
		}
		for _, a := range e.heal.take() {
			ctx, cancel := context.WithTimeout(e.life, healTimeout)
			h, err := e.mend(ctx, a.key, false)
			if err == nil && a.corrupt != nil {
				_ = e.replace(ctx, h, a.key, a.corrupt) // the next read finds it again
			}
			cancel()
		}
	}
}

// replay gives a replica what the journal says it lacks, until the engine is
// closed.
func (e *replicated) replay(r *replica) {
	pause := replayPauseFirst
	for {
		err := e.replayAll(r)
		if err == nil {
			pause = replayPauseFirst
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // jitter needs no secrecy
		again := timer.C
		if err == nil {
			again = nil
		}
		select {
		case <-e.life.Done():
			timer.Stop()
			return
		case <-again:
			pause = min(2*pause, replayPauseLongest)
		case <-e.log.Wake(r.ref()):
			if err != nil { // more of the same would come at once
				select {
				case <-e.life.Done():
				case <-timer.C:
				}
			}
		}
		timer.Stop()
	}
}

// replayAll goes through the debts of a replica, the oldest first. One that
// cannot be paid holds up no other, unless several in a row cannot.
func (e *replicated) replayAll(r *replica) error {
	var failure error
	failed := 0
	for entries := e.log.Ripe(r.ref(), replayBatch); len(entries) > 0; entries = e.log.RipeAfter(r.ref(), entries[len(entries)-1], replayBatch) {
		for _, entry := range entries {
			err := e.repay(r, entry.Key, entry.Version)
			if err == nil {
				failed = 0
				continue
			}
			if failure = err; errors.Is(err, errNotSeen) {
				continue // it is not for this replica to be back
			}
			if failed++; failed == replayFailures || !e.usable(r) || e.life.Err() != nil {
				return failure
			}
		}
	}
	return failure
}

// errNotSeen is why a debt stays: the version may be where nobody answers.
var errNotSeen = errors.New("a replica that does not answer may have a newer version of the key")

// repay makes one key equal everywhere and takes the debt of a replica out of
// the journal.
func (e *replicated) repay(r *replica, key string, version uint64) error {
	if !e.usable(r) {
		return storage.Errorf(storage.CodeUnavailable, "%s is down", r.ref())
	}
	ctx, cancel := context.WithTimeout(e.life, healTimeout)
	defer cancel()
	if a := e.ask(ctx, r, key); a.err != nil { // without the key's turn
		return a.err
	}
	h, err := e.mend(ctx, key, true)
	switch {
	case err != nil:
		return err
	case uint64(h.best.state.stamp.version) < version && len(h.failures) > 0:
		return errNotSeen
	case !slices.Contains(h.equal, r):
		return storage.Errorf(storage.CodeUnavailable, "%s could not be given the newest version of a key", r.ref())
	}
	e.log.Settle(r.ref(), key, max(version, uint64(h.best.state.stamp.version)))
	e.tell(event.Replayed, r, key, nil)
	return nil
}

// health is what mend found and achieved.
type health struct {
	best     answer
	equal    []*replica // that hold the newest version now
	lacked   []answer   // what the others held before
	advanced int
	failures []error
}

// mend looks at a key everywhere and gives the newest version to those that lack
// it. It has the key's turn, so no write of this host is half done meanwhile.
// The error is Unavailable if too few replicas answer to know the newest.
func (e *replicated) mend(ctx context.Context, key string, hinted bool) (*health, error) {
	set, err := e.begin(event.OpPut, key)
	if err != nil {
		return nil, err
	}
	unlock, err := e.keys.Lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.endStragglers(ctx, set, key); err != nil {
		return nil, err
	}
	answers, failures := e.askAll(ctx, set, key)
	if len(answers) < set.read() {
		return nil, e.tooFew("too few replicas say what they hold", set, set.read(), nil, failures)
	}
	h := &health{best: newest(answers), failures: failures}
	v := e.copyFrom(h.best, key)
	for _, a := range answers {
		if !a.state.stamp.less(h.best.state.stamp) {
			h.equal = append(h.equal, a.replica)
			continue
		}
		h.lacked = append(h.lacked, a)
		if _, known := e.log.Entry(a.replica.ref(), key); !known {
			e.tell(event.Divergence, a.replica, key, nil)
		}
		if err := e.advance(ctx, a.replica, key, v, &a.state); err != nil {
			h.failures = append(h.failures, err)
			continue
		}
		h.advanced++
		h.equal = append(h.equal, a.replica)
		if !hinted {
			e.tell(event.Repaired, a.replica, key, nil)
		}
	}
	return h, nil
}

// askAll asks all replicas at once and waits for every answer.
func (e *replicated) askAll(ctx context.Context, set copySet, key string) (answers []answer, failures []error) {
	all := make([]answer, len(set.replicas))
	var wg sync.WaitGroup
	for i, r := range set.replicas {
		wg.Go(func() { all[i] = e.ask(ctx, r, key) })
	}
	wg.Wait()
	for _, a := range all {
		if a.err != nil {
			failures = append(failures, a.err)
		} else {
			answers = append(answers, a)
		}
	}
	return answers, failures
}

// replace writes the newest version over the damaged value of a replica.
func (e *replicated) replace(ctx context.Context, h *health, key string, corrupt *replica) error {
	unlock, err := e.keys.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	damaged := e.ask(ctx, corrupt, key)
	if damaged.err != nil || damaged.state.stamp != h.best.state.stamp || damaged.state.tombstone {
		return damaged.err // it was replaced meanwhile
	}
	for _, r := range h.equal {
		if r == corrupt {
			continue
		}
		from := e.ask(ctx, r, key)
		if from.err != nil || from.state.stamp != damaged.state.stamp {
			continue
		}
		err := e.give(ctx, corrupt, key, e.copyFrom(from, key), unchanged(damaged.state))
		if err == nil {
			e.tell(event.Repaired, corrupt, key, nil)
		}
		return err
	}
	return storage.Errorf(storage.CodeDataLoss, "%s holds a damaged value, and no other replica has the same version", corrupt.ref())
}
