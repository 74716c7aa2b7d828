package routing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// DefaultHoldDown is the HoldDown of a [FirstAvailable] that names none.
const DefaultHoldDown = 5 * time.Second

// What happens to writes while the first child is down.
const (
	WritesSticky   = "sticky"
	WritesFailover = "failover"
)

// FirstAvailable is the policy "first_available": it uses the first of its
// children that works.
//
// With sticky writes, Watch, writes and whatever asks for more than the default
// consistency go to the first child only, the primary, and fail with it. So do
// listings, unless they allow partial results. Get, Stat and batches that only
// read fail over to the next child, in order, when one is down: its breaker is
// not closed, or it fails with a code that speaks against it (Unavailable,
// Throttled, DeadlineExceeded, which is then not the caller's own, Internal,
// DataLoss). They never fail over on an answer, and never in mid-stream, since
// no other child has the etag.
//
// The children's data is their own: the policy copies nothing. What a read
// from another child than the primary means follows from that:
//
//   - NotFound becomes Unavailable: the primary could hold the key.
//   - Of the last [RememberedWrites] keys written through the policy, only the
//     bytes that were written are given; anything else is Unavailable. So a
//     caller reads its own writes. Consistency Eventual waives this.
//   - Etags are qualified by the child they come from, so one that was read
//     from another child never fulfils a condition at the primary.
//
// With writes that fail over, puts and deletes without a condition go to the
// first child that takes them. What those before it miss is durable in the
// journal before the write is acknowledged. Such a key is read at the child that
// has it, at all levels but Eventual, until the primary was given it, which
// begins when it works again; an object keeps its etag then. If that child is
// down the key is Unavailable, and DataLoss if it lost the object. A listing
// first gives the primary all that it missed. Conditional writes, atomic batches
// and transactions never fail over: the primary decides them, after it was given
// what it missed of their keys. Only one host at a time should write.
//
// A child that is down is left alone for the hold-down; then single requests
// try it, one at a time, until one succeeds. If no other child can answer, it
// is tried before that too.
//
// The capabilities are those of the primary; with writes that fail over without
// Watch, and without what another child lacks for a write.
type FirstAvailable struct {
	Order    []string      `stowage:"order,required,ref" doc:"Backends or policies, the preferred one first."`
	Writes   string        `stowage:"writes" enum:"sticky,failover" default:"sticky" doc:"What happens to writes while the first is down: with sticky they fail; with failover the next one takes them, and the first is given them when it is back."`
	HoldDown time.Duration `stowage:"hold_down" default:"5s" min:"100ms" max:"1h" doc:"How long one that failed is left alone before single requests try it again."`
}

// Build implements [Policy].
func (o FirstAvailable) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	children, err := childrenOf(name, "order", o.Order, child)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", WritesSticky, WritesFailover}, o.Writes) {
		return nil, refused(name, "writes = %q is not known; use \"sticky\" or \"failover\"", o.Writes)
	}
	if o.Writes == WritesFailover && env.Journal == nil {
		return nil, refused(name, "writes = \"failover\" needs the host's journal")
	}
	if o.HoldDown == 0 {
		o.HoldDown = DefaultHoldDown
	}
	p := &firstAvailable{name: name, listener: env.Listener, written: newWrites()}
	for i, c := range children {
		p.order = append(p.order, newCandidate(c, i, o.HoldDown))
	}
	p.primary = p.order[0]
	if o.Writes == WritesFailover || env.Journal != nil && owesFailover(env.Journal.Keeping(name)) {
		return newFailover(p, env, o.Writes == WritesFailover)
	}
	return p, nil
}

type firstAvailable struct {
	name     string
	order    []*candidate
	primary  *candidate
	listener event.Listener
	written  *writes
	stale    func(c *candidate, key string) bool // nil, or whether c misses a write
}

func (p *firstAvailable) Capabilities() storage.Capabilities {
	caps := p.primary.child.Store.Capabilities()
	caps.HealthCheck = true
	caps.Exclusive = false
	caps.Consistency |= storage.ConsistencyLevels(storage.ConsistencyEventual)
	return caps
}

func (p *firstAvailable) Close(context.Context) error { return nil }

// CheckHealth returns nil if any child could serve reads.
func (p *firstAvailable) CheckHealth(ctx context.Context) error {
	var failures []error
	for _, c := range p.order {
		err := c.child.Store.CheckHealth(ctx)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return p.unavailable(event.OpHealth, "", failures)
}

func (p *firstAvailable) Get(ctx context.Context, key string, opts storage.GetOptions) (*storage.Reader, error) {
	if err := storage.ValidateGet(key, opts); err != nil {
		return nil, storage.Annotate(err, "get", key)
	}
	var r *storage.Reader
	err := p.read(ctx, question{event.OpGet, key, opts.Consistency, opts.IfMatch}, func(c *candidate) error {
		opts := opts
		opts.Consistency = c.level(opts.Consistency)
		var err error
		if opts.IfMatch, err = c.inward(ctx, key, opts.IfMatch); err != nil {
			return err
		}
		if r, err = c.child.Store.Get(ctx, key, opts); err != nil {
			return err
		}
		if err = p.acceptable(c, r.Object, opts.Consistency); err != nil {
			_ = r.Close() // another version was asked for
			return err
		}
		r.Object = c.outward(r.Object)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (p *firstAvailable) Stat(ctx context.Context, key string, opts storage.StatOptions) (storage.Object, error) {
	if err := storage.ValidateStat(key, opts); err != nil {
		return storage.Object{}, storage.Annotate(err, "stat", key)
	}
	var o storage.Object
	err := p.read(ctx, question{event.OpStat, key, opts.Consistency, opts.IfMatch}, func(c *candidate) error {
		opts := opts
		opts.Consistency = c.level(opts.Consistency)
		var err error
		if opts.IfMatch, err = c.inward(ctx, key, opts.IfMatch); err != nil {
			return err
		}
		found, err := c.child.Store.Stat(ctx, key, opts)
		if err != nil {
			return err
		}
		o = c.outward(found)
		return p.acceptable(c, found, opts.Consistency)
	})
	if err != nil {
		return storage.Object{}, err
	}
	return o, nil
}

// acceptable refuses what a child other than the primary holds for a key that
// was written through the policy, unless it is what was written.
func (p *firstAvailable) acceptable(c *candidate, o storage.Object, level storage.Consistency) error {
	if c == p.primary || level == storage.ConsistencyEventual || p.written.allow(o) && (p.stale == nil || !p.stale(c, o.Key)) {
		return nil
	}
	return storage.Errorf(storage.CodeUnavailable, "%s does not have the version that was written through this host to %s", c.child.Name, p.primary.child.Name)
}

func (p *firstAvailable) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (storage.PutResult, error) {
	if err := storage.ValidatePut(key, opts); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	c := p.primary
	var err error
	if opts.If, err = c.condition(ctx, key, opts.If); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "put", key)
	}
	res, err := c.child.Store.Put(ctx, key, body, opts)
	c.report(ctx, false, err)
	if err != nil {
		return storage.PutResult{}, c.failed(ctx, err, "put", key)
	}
	p.written.put(res.Object)
	res.Object = c.outward(res.Object)
	return res, nil
}

func (p *firstAvailable) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (storage.Deleted, error) {
	if err := storage.ValidateDelete(key, opts); err != nil {
		return storage.Deleted{}, storage.Annotate(err, "delete", key)
	}
	c := p.primary
	var err error
	if opts.If, err = c.condition(ctx, key, opts.If); err != nil {
		return storage.Deleted{}, storage.Annotate(err, "delete", key)
	}
	d, err := c.child.Store.Delete(ctx, key, opts)
	c.report(ctx, false, err)
	if err != nil {
		return d, c.failed(ctx, err, "delete", key)
	}
	p.written.deleted(key)
	return d, nil
}

// Copy stays at the primary, also with its source.
func (p *firstAvailable) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	if err := storage.ValidateCopy(src, dst, opts); err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	c := p.primary
	var err error
	if opts.If, err = c.condition(ctx, dst, opts.If); err == nil {
		opts.SourceIfMatch, err = c.inward(ctx, src, opts.SourceIfMatch)
	}
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	res, err := c.child.Store.Copy(ctx, src, dst, opts)
	c.report(ctx, false, err)
	if err != nil {
		return storage.PutResult{}, c.failed(ctx, err, "copy", dst)
	}
	p.written.put(res.Object)
	res.Object = c.outward(res.Object)
	return res, nil
}

// unavailable is the answer when nobody who may answer does.
func (p *firstAvailable) unavailable(op event.Op, key string, failures []error) error {
	err := storage.Errorf(storage.CodeUnavailable, "policy %q: no backend that could answer does: %w", p.name, errors.Join(failures...))
	for _, f := range failures {
		if e := storage.AsError(f); e.RetryAfter > 0 && (err.RetryAfter == 0 || e.RetryAfter < err.RetryAfter) {
			err.RetryAfter = e.RetryAfter
		}
	}
	return storage.Annotate(err, op.String(), key)
}

func notAuthoritative(c *candidate) error {
	return storage.Errorf(storage.CodeUnavailable, "%s does not have it, but one that comes before could", c.child.Name)
}

func passedOver(c *candidate, info event.BreakerInfo) error {
	text := fmt.Sprintf("%s is down", c.child.Name)
	if info.State != event.BreakerOpen {
		text = fmt.Sprintf("%s was down and is being tried again", c.child.Name)
	}
	err := storage.Errorf(storage.CodeUnavailable, "%s", text)
	if info.Err != nil {
		err = storage.Errorf(storage.CodeUnavailable, "%s: %s", text, info.Err) // its code is of an earlier operation
	}
	err.RetryAfter = info.RetryAfter
	return err
}
