package routing

import (
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/internal/turn"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// placed is a store made of children of which one has each object, and none has
// it by its key alone.
//
// Where an object is, is remembered; otherwise all children are asked. Each copy
// carries a version, so that the newest counts where there are several: while an
// object moves, after a move that broke off, or after two hosts created one key
// at a time. What a move leaves behind is a debt in the journal: the child owes
// the removal of its copy. See [debts] for what such a copy means meanwhile.
//
// All writes to a key through this host take turns.
type placed struct {
	policy   string
	children []*marked
	listener event.Listener
	clock    *Clock
	spoolDir string
	writer   string // tells this policy's versions from those of other hosts

	choose chooser
	debts  debts
	turns  turn.Keys
	owners *owners
	moving moving

	stop    context.CancelFunc
	workers sync.WaitGroup
}

// chooser says where a put goes.
type chooser interface {
	// place returns the child for an object, or nowhere if it should stay where
	// it is. It asks for the size only if it needs it.
	place(a placing) (int, error)
	// create returns the child for a key that place left open and no child has;
	// skip names children that it must not be. Nowhere: there is none. For a
	// key that must be absent it is the same in all hosts.
	create(key string, absent bool, skip func(i int) bool) int
}

// placing is a put that needs a place.
type placing struct {
	op, key string
	opts    *storage.PutOptions
	size    func() (int64, error)
}

func newPlaced(policy string, env Env, children []Child, choose chooser) *placed {
	p := &placed{
		policy: policy, listener: env.Listener, clock: env.Clock, spoolDir: env.SpoolDir,
		writer: strings.ToLower(rand.Text()[:10]), choose: choose, owners: newOwners(), debts: debts{doubts: &doubts{}},
	}
	for _, c := range children {
		m := newMarked(c)
		p.children = append(p.children, &m)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	if env.Journal != nil {
		p.debts.log = env.Journal.Log(policy)
		for i := range p.children {
			p.workers.Go(func() { p.workOff(ctx, i) })
		}
	}
	return p
}

func (p *placed) Close(context.Context) error {
	p.stop()
	p.workers.Wait()
	return nil
}

func (p *placed) Capabilities() storage.Capabilities {
	caps := sharedCapabilities(p.children)
	caps.Batch = false // every key has its own way
	return caps
}

// CheckHealth returns what is wrong with any of the children: keys that are not
// remembered cannot be found without it.
func (p *placed) CheckHealth(ctx context.Context) error { return healthOf(ctx, p.policy, p.children) }

// Backlogs implements [Reporter].
func (p *placed) Backlogs() []journal.Backlog {
	all := make([]journal.Backlog, len(p.children))
	for i, c := range p.children {
		all[i].Target = c.child.Name
		if p.debts.log != nil {
			all[i] = p.debts.log.Backlog(c.child.Name)
		}
	}
	return all
}

func (p *placed) tell(what event.PolicyEvent, child int, key string, err error) {
	p.listener.Policy(event.PolicyInfo{Policy: p.policy, Event: what, Child: p.children[child].child.Name, Key: key, Err: err})
}

// attempts is how often a read follows an object that moves, before it waits for
// the key's turn.
const attempts = 3

// at calls ask with the child that has key until the answer is not that it is
// gone from there.
func (p *placed) at(ctx context.Context, op, key string, level storage.Consistency, session *storage.Session, ask func(c *marked) error) error {
	for n := 0; ; n++ {
		if n == attempts {
			unlock, err := p.turns.Lock(ctx, key)
			if err != nil {
				return storage.AsError(err)
			}
			defer unlock() // once: the loop ends in this round
		}
		child, remembered := nowhere, false
		if n == 0 && anyone(level) {
			child = p.owners.of(key)
			remembered = child != nowhere
		}
		if !remembered {
			still := p.moving.still(key)
			found, err := p.find(ctx, key, level, session).current(ctx, level)
			switch {
			case err != nil:
				return err
			case found == nil && n < attempts && !still():
				continue
			case found == nil:
				return storage.Errorf(storage.CodeNotFound, "no child has it")
			}
			child = found.child
		}
		c := p.children[child]
		err := ask(c)
		switch {
		case err == nil:
			return nil
		case storage.CodeOf(err) == storage.CodeNotFound, remembered && storage.CodeOf(err) == storage.CodeFailedPrecondition:
			p.owners.lost(key, child)
			if n < attempts {
				continue
			}
			return storage.Errorf(storage.CodeUnavailable, "policy %q: another host keeps moving the object; try again", p.policy)
		default:
			return p.failed(ctx, c, err, op, key)
		}
	}
}

func (p *placed) failed(ctx context.Context, c *marked, err error, op, key string) error {
	if failsOver(ctx, err) {
		err = blame(err, c.child.Name)
	}
	return c.failure(err, op, key)
}

func (p *placed) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	err = p.at(ctx, "get", key, opts.Consistency, opts.Session, func(c *marked) (err error) {
		r, err = c.get(ctx, key, opts)
		return err
	})
	return r, err
}

func (p *placed) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	err = p.at(ctx, "stat", key, opts.Consistency, opts.Session, func(c *marked) (err error) {
		o, err = c.stat(ctx, key, opts)
		return err
	})
	return o, err
}

// Copy goes through the host, since the copy may belong elsewhere.
func (p *placed) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	return copyAcross(ctx, p, copying{p}, src, dst, opts)
}

// copying puts what is copied.
type copying struct{ *placed }

func (c copying) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	return c.put(ctx, "copy", key, body, opts)
}

func (p *placed) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	return p.put(ctx, "put", key, body, opts)
}
