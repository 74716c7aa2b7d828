package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultTimeout is the Timeout of [ChildOptions] that name none.
const DefaultTimeout = 5 * time.Second

// ChildOptions describe a [Child]. The zero value is a durable child that
// answers at once.
type ChildOptions struct {
	Name string
	// Seed of everything that is left to chance.
	Seed uint64
	// Volatile: the child does not declare itself durable, and a crash takes
	// what was written since the last Sync.
	Volatile bool
	// Latency is the most an operation takes to reach the child, and again the
	// answer to come back; now and then it is ten times as much.
	Latency time.Duration
	// Timeout is when an operation on a hanging child is given up.
	Timeout time.Duration
	// Now is the clock by which objects expire. Nil: the system's.
	Now func() time.Time
	// Log is told every operation. Nil: nobody is.
	Log *Log
}

// Child is the store behind a process boundary: what it keeps outlives its
// crashes and the host's. Use it through [Child.Connect]. It is safe for
// concurrent use.
//
// It keeps the contract of package storage whatever fails: an error says whether
// the operation may have happened, conditions are evaluated at the commit, and a
// write that was given up never lands over a later one to the same key.
type Child struct {
	opts ChildOptions

	mu      sync.Mutex
	rng     *rand.Rand
	objects map[string]object
	synced  map[string]object // what a crash of a volatile child leaves
	late    map[string][]func()
	serial  uint64
	down    bool
	broken  chan struct{} // closed when the operations in flight break off
	hung    chan struct{} // while it hangs; closed when it goes on
	faults  []Fault
	chances Chances
}

// NewChild returns an empty child that serves.
func NewChild(o ChildOptions) *Child {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Child{
		opts: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // repeatable on purpose
		objects: make(map[string]object), synced: make(map[string]object), late: make(map[string][]func()),
		broken: make(chan struct{}),
	}
}

// Name returns the child's name.
func (c *Child) Name() string { return c.opts.Name }

// Breaker is what a circuit breaker in front of the child would say that notices
// everything at once. It is the State of a routing.Child.
func (c *Child) Breaker() event.BreakerInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := event.BreakerInfo{Backend: c.opts.Name}
	if c.down {
		info.State = event.BreakerOpen
		info.Err = c.failure(storage.CodeUnavailable, false, "the child is down")
	}
	return info
}

// Stop makes the child unreachable: operations in flight break off, later ones
// are Unavailable. It loses nothing.
func (c *Child) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breakOff("stopped")
}

// Crash is Stop, and the child loses what it has not synced.
func (c *Child) Crash() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breakOff("crashed")
	if c.opts.Volatile {
		c.objects = maps.Clone(c.synced)
	}
}

func (c *Child) breakOff(how string) {
	c.opts.Log.note(c.opts.Name, how)
	c.down = true
	close(c.broken)
	c.broken = make(chan struct{})
	c.goOn()
	c.settleLate(func() bool { return c.rng.IntN(2) == 0 })
}

// Restart makes the child serve again.
func (c *Child) Restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts.Log.note(c.opts.Name, "restarted")
	c.down = false
}

// Hang makes operations wait until Release, or until they are given up.
func (c *Child) Hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts.Log.note(c.opts.Name, "hangs")
	if c.hung == nil {
		c.hung = make(chan struct{})
	}
}

// Release ends Hang.
func (c *Child) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.goOn()
}

func (c *Child) goOn() {
	if c.hung != nil {
		close(c.hung)
		c.hung = nil
	}
}

// Sync makes what was written so far survive a crash.
func (c *Child) Sync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = maps.Clone(c.objects)
}

// Heal ends every fault. Writes that were given up and could still land have
// landed or never will.
func (c *Child) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts.Log.note(c.opts.Name, "healed")
	c.down, c.faults, c.chances = false, nil, Chances{}
	c.goOn()
	c.settleLate(func() bool { return c.rng.IntN(2) == 0 })
}

// Objects returns what the child holds, by key, as it is stored: with reserved
// metadata, and with expired objects left out.
func (c *Child) Objects() map[string]Stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]Stored)
	for key := range c.objects {
		if o, ok := c.live(key); ok {
			all[key] = Stored{Object: o.Object, Value: o.value}
		}
	}
	return all
}

// Stored is an object and its value.
type Stored struct {
	storage.Object
	Value []byte
}

// settleLate lands those late writes that land chooses and forgets the others.
// The caller holds mu.
func (c *Child) settleLate(land func() bool) {
	for _, key := range slices.Sorted(maps.Keys(c.late)) {
		for _, apply := range c.late[key] {
			if land() {
				apply()
			}
		}
		delete(c.late, key)
	}
}

// failure is an error of the child. unknown: the write may have happened.
func (c *Child) failure(code storage.Code, unknown bool, text string) *storage.Error {
	err := storage.Errorf(code, "%s: %s", c.opts.Name, text)
	err.OutcomeUnknown = unknown
	return err
}

func (c *Child) etag() string {
	c.serial++
	return fmt.Sprintf("%s-%d", c.opts.Name, c.serial)
}
