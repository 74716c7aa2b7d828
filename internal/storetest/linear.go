package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Defaults of [LinearOptions].
const (
	DefaultRounds  = 4
	DefaultClients = 8
	DefaultOps     = 250
	DefaultKeys    = 6
)

// LinearOptions modify [RunLinearizable].
type LinearOptions struct {
	// Rounds are runs with a store and a seed of their own. 0 means
	// [DefaultRounds]; STORETEST_ROUNDS in the environment wins, as STORETEST_SEED
	// does for the Seed of the first.
	Rounds int
	Seed   uint64
	// Clients that each perform Ops operations on Keys keys.
	Clients, Ops, Keys int
	// MaxFaulty is how many children may be faulty at a time. 0 means a minority,
	// and the only one there is.
	MaxFaulty int
	// Kill: the host is restarted and killed as well.
	Kill bool
	// Check is the time for checking the history of a key. 0 means 15 seconds.
	Check time.Duration
}

func (o LinearOptions) withDefaults(children int) LinearOptions {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&o.Rounds, DefaultRounds},
		{&o.Clients, DefaultClients},
		{&o.Ops, DefaultOps},
		{&o.Keys, DefaultKeys},
		{&o.MaxFaulty, max(1, (children-1)/2)},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Check == 0 {
		o.Check = 15 * time.Second
	}
	return o
}

// RunLinearizable lets concurrent clients read and write under Strong
// consistency while children fail, and fails t unless the history of every key
// is linearizable.
func RunLinearizable(t *testing.T, h Harness, o LinearOptions) {
	t.Helper()
	if err := FindNonlinearizable(t, h, o); err != nil {
		t.Fatal(err)
	}
}

// FindNonlinearizable is RunLinearizable for a store that is known to be broken:
// it returns what is wrong, and nil if nothing was found.
func FindNonlinearizable(t *testing.T, h Harness, o LinearOptions) error {
	t.Helper()
	h, o = h.withDefaults(), o.withDefaults(len(h.Children))
	rounds, seed := setting(t, "STORETEST_ROUNDS", uint64(o.Rounds)), setting(t, "STORETEST_SEED", o.Seed) //nolint:gosec // not negative
	for i := range rounds {
		var err error
		var r *linearRun
		inBubble(t, func() { r, err = runLinear(h, o, seed+i) })
		if err == nil {
			err = r.check(t, o.Check)
		}
		if err != nil {
			return fmt.Errorf("STORETEST_SEED=%d STORETEST_ROUNDS=1: %w", seed+i, err)
		}
	}
	return nil
}

// never is when an operation of unknown outcome returns: it may happen at any
// later time.
const never = 1 << 60

// linearRun is a round.
type linearRun struct {
	host    *host
	opts    LinearOptions
	latency time.Duration
	level   storage.Consistency
	caps    storage.Capabilities

	mu      sync.Mutex
	clock   int64
	history []porcupine.Operation
	// seen are the etags of values, by key; last is what was seen last of each.
	seen  map[string]map[string]int
	last  map[string]reply
	ids   int
	wrong error
}

func runLinear(h Harness, o LinearOptions, seed uint64) (r *linearRun, err error) {
	const latency = 10 * time.Millisecond
	h.Children = slices.Clone(h.Children) // rows of a table share them
	for i := range h.Children {
		h.Children[i].Timeout = 30 * latency
	}
	host, err := newHost(h, seed, latency, seed%2 == 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.close()) }()
	if err := host.open(host.newDir()); err != nil {
		return nil, err
	}
	r = &linearRun{
		host: host, opts: o, latency: latency,
		seen: make(map[string]map[string]int), last: make(map[string]reply),
	}
	host.use(func(s storage.Store) { r.caps = s.Capabilities() })
	if r.caps.Consistency.Has(storage.ConsistencyStrong) {
		r.level = storage.ConsistencyStrong
	}
	var clients sync.WaitGroup
	over := make(chan struct{})
	for i := range o.Clients {
		dice := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // repeatable on purpose
		clients.Go(func() {
			for range o.Ops {
				r.step(i, dice)
			}
		})
	}
	trouble := make(chan error, 1)
	go func() { trouble <- r.chaos(rand.New(rand.NewPCG(seed, 1<<32)), over) }() //nolint:gosec // repeatable on purpose
	clients.Wait()
	close(over)
	if err := <-trouble; err != nil {
		return nil, err
	}
	host.heal()
	for i := range o.Keys {
		r.perform(0, request{op: "get", key: r.key(i), level: r.level})
	}
	return r, nil
}

func (r *linearRun) key(i int) string { return fmt.Sprintf("key/%d", i) }

// step is one operation of a client.
func (r *linearRun) step(client int, dice *rand.Rand) {
	time.Sleep(time.Duration(dice.Int64N(int64(2 * r.latency))))
	req := request{key: r.key(dice.IntN(r.opts.Keys)), level: r.level}
	if dice.IntN(20) == 0 {
		req.timeout = time.Duration(1 + dice.Int64N(int64(4*r.latency)))
	}
	r.mu.Lock()
	last := r.last[req.key]
	r.ids++
	id := r.ids
	r.mu.Unlock()
	dies := dice.IntN(100)
	switch {
	case dies < 35:
		req.op = "get"
	case dies < 45:
		req.op = "stat"
	case dies < 90:
		req.op, req.id, req.size = "put", id, dice.IntN(200)
	default:
		req.op = "delete"
	}
	if req.writes() {
		req.level = storage.ConsistencyDefault
		conditional := r.caps.ConditionalPut && r.caps.ConditionalDelete && dice.IntN(2) == 0
		switch {
		case conditional && last.object.ETag != "" && dice.IntN(4) > 0:
			req.cond, req.expect = storage.IfETag(last.object.ETag), last.id
		case conditional && req.op == "put" && dice.IntN(3) > 0:
			req.cond = storage.IfAbsent()
		case conditional:
			req.cond = storage.IfExists()
		}
	}
	r.perform(client, req)
}

// perform runs and records an operation.
func (r *linearRun) perform(client int, req request) {
	r.mu.Lock()
	r.clock++
	begun := r.clock
	r.mu.Unlock()
	rep := r.host.perform(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	op := porcupine.Operation{ClientId: client, Call: begun, Return: r.clock, Input: record{request: req, reply: rep}}
	if rep.outcome == unknown {
		op.Return = never
	}
	if rep.wrong == nil && rep.object.ETag != "" {
		rep.wrong = r.see(req.key, rep)
	}
	if rep.wrong != nil && r.wrong == nil {
		r.wrong = rep.wrong
	}
	if rep.outcome != failed {
		r.history = append(r.history, op)
	}
}

// see learns which value an etag stands for. The caller holds mu.
func (r *linearRun) see(key string, rep reply) error {
	etags := r.seen[key]
	if etags == nil {
		etags = make(map[string]int)
		r.seen[key] = etags
	}
	if id, known := etags[rep.object.ETag]; known && id != rep.id {
		return fmt.Errorf("%q has the etag %s with value %d and with value %d", key, rep.object.ETag, id, rep.id)
	}
	etags[rep.object.ETag] = rep.id
	r.last[key] = rep
	return nil
}

// check has the history judged.
func (r *linearRun) check(t *testing.T, limit time.Duration) error {
	t.Helper()
	if r.wrong != nil {
		return fmt.Errorf("%w\n%s", r.wrong, r.save(t))
	}
	answered := 0
	for i, op := range r.history {
		e, _ := op.Input.(record)
		if e.outcome == refused {
			e.current, e.known = r.seen[e.key][e.reply.current]
			e.known = e.known || e.reply.current == ""
			r.history[i].Input = e
		}
		if e.outcome != unknown {
			answered++
		}
	}
	if all := r.opts.Clients * r.opts.Ops; answered < all/10 {
		return fmt.Errorf("only %d of %d operations were answered, which shows nothing\n%s", answered, all, r.save(t))
	}
	for _, history := range byKey(r.history) {
		model := register()
		result, info := judgeKey(model, history, limit)
		if result == porcupine.Ok {
			continue
		}
		where := filepath.Join(t.ArtifactDir(), "history.html")
		if err := porcupine.VisualizePath(model, info, where); err != nil {
			return err
		}
		if result == porcupine.Unknown {
			return fmt.Errorf("no verdict on a history of %d operations within %v", len(history), limit)
		}
		key := history[0].Input.(record).key
		return fmt.Errorf("the history of %q is not linearizable:\n%s%s", key, around(history, info), r.save(t))
	}
	t.Logf("%d of %d operations were answered, %d are of unknown outcome", answered, r.opts.Clients*r.opts.Ops, len(r.history)-answered)
	return nil
}

// save keeps the log of what happened and tells where.
func (r *linearRun) save(t *testing.T) string {
	t.Helper()
	where := filepath.Join(t.ArtifactDir(), "log.txt")
	if err := os.WriteFile(where, []byte(r.host.log.String()), 0o600); err != nil {
		return err.Error()
	}
	return "what happened is in " + where + "; -artifacts keeps it"
}
