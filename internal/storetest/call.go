package storetest

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// call is an operation under way.
type call struct {
	op, key     string
	fault       Fault
	there, back time.Duration
	dice        *rand.Rand
	broken, cut <-chan struct{}
	patience    *time.Timer
}

// begin admits an operation of a host, which is there until cut is closed. An
// error says that it has not happened.
func (c *Child) begin(ctx context.Context, cut <-chan struct{}, op, key string) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, storage.AsError(ctx.Err())
	case closed(cut):
		return nil, c.failure(storage.CodeUnavailable, false, "the connection is closed")
	case c.down:
		c.opts.Log.op(c.opts.Name, op, key, "is down")
		return nil, c.failure(storage.CodeUnavailable, false, "it is down")
	}
	if len(c.late) > 0 && c.rng.IntN(3) == 0 {
		c.settleLate(func() bool { return true })
	}
	d := &call{
		op: op, key: key, fault: c.fault(op, key), broken: c.broken, cut: cut,
		dice: rand.New(rand.NewPCG(c.rng.Uint64(), 2)), //nolint:gosec // repeatable on purpose
	}
	if c.opts.Latency > 0 {
		d.there, d.back = d.upTo(c.opts.Latency), d.upTo(c.opts.Latency)
	}
	d.patience = time.NewTimer(c.opts.Timeout)
	return d, nil
}

func (d *call) upTo(limit time.Duration) time.Duration {
	return time.Duration(d.dice.Int64N(int64(limit)))
}

func (d *call) coin() bool { return d.dice.IntN(2) == 0 }

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// pause waits until a time has passed and the child does not hang. An error is
// why the operation ends before.
func (c *Child) pause(ctx context.Context, d *call, latency time.Duration) *storage.Error {
	var travel <-chan time.Time
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		travel = timer.C
	}
	for {
		c.mu.Lock()
		hung := c.hung
		c.mu.Unlock()
		switch {
		case closed(d.broken):
			return c.failure(storage.CodeUnavailable, false, "it broke off")
		case closed(d.cut):
			return c.failure(storage.CodeUnavailable, false, "the host is gone")
		case ctx.Err() != nil:
			return storage.AsError(ctx.Err())
		case travel == nil && hung == nil:
			return nil
		case travel != nil:
			hung = nil
		}
		select {
		case <-travel:
			travel = nil
		case <-hung:
		case <-d.broken:
		case <-d.cut:
		case <-ctx.Done():
		case <-d.patience.C:
			return c.failure(storage.CodeDeadlineExceeded, false, "no answer in time")
		}
	}
}

// read runs an operation that changes nothing.
func (c *Child) read(ctx context.Context, cut <-chan struct{}, op, key string, answer func(d *call) error) error {
	d, err := c.begin(ctx, cut, op, key)
	if err != nil {
		return err
	}
	defer d.patience.Stop()
	if err := c.pause(ctx, d, d.there); err != nil {
		return c.told(d, err)
	}
	if d.fault.Kind != 0 && (d.fault.Kind != BreakBody || op != "get") {
		return c.told(d, c.failure(d.fault.code(), false, d.fault.Kind.String()))
	}
	c.mu.Lock()
	err = answer(d)
	c.mu.Unlock()
	if failure := c.pause(ctx, d, d.back); failure != nil {
		err = failure
	}
	return c.told(d, err)
}

// write runs an operation that changes the key. commit is called at most once,
// with mu held; an error of it says that nothing has changed.
func (c *Child) write(ctx context.Context, cut <-chan struct{}, op, key string, receive func() error, commit func() error) error {
	d, err := c.begin(ctx, cut, op, key)
	if err != nil {
		return err
	}
	defer d.patience.Stop()
	refused := d.fault.Kind == FailBefore || d.fault.Kind == BreakBody
	if refused && d.coin() {
		return c.told(d, c.failure(d.fault.code(), false, "fail before"))
	}
	err = receive()
	if err == nil && ctx.Err() != nil {
		err = storage.AsError(ctx.Err()) // the end of the value was never sent
	}
	if err != nil {
		return c.told(d, err)
	}
	if refused {
		return c.told(d, c.failure(d.fault.code(), false, "fail before"))
	}
	failure := c.pause(ctx, d, d.there)
	c.mu.Lock()
	switch gone := closed(d.broken) || closed(d.cut); {
	case failure == nil && gone:
		failure = c.failure(storage.CodeUnavailable, false, "it broke off")
		fallthrough
	case failure != nil && gone:
		c.mu.Unlock()
		failure.OutcomeUnknown = true
		return c.told(d, failure)
	case failure != nil, d.fault.Kind == Late, d.fault.Kind == Vanish:
		if failure == nil {
			failure = c.failure(d.fault.code(), true, d.fault.Kind.String())
		}
		failure.OutcomeUnknown = true
		if d.fault.Kind == Late || d.fault.Kind == 0 && d.coin() {
			c.late[key] = append(c.late[key], func() {
				c.opts.Log.op(c.opts.Name, op, key, "lands late")
				_ = commit()
			})
		}
		c.mu.Unlock()
		return c.told(d, failure)
	}
	for _, apply := range c.late[key] {
		apply()
	}
	delete(c.late, key)
	err = commit()
	c.mu.Unlock()
	if failure = c.pause(ctx, d, d.back); failure == nil && d.fault.Kind == LoseAnswer {
		failure = c.failure(d.fault.code(), true, "lose answer")
	}
	if failure != nil {
		failure.OutcomeUnknown = true
		return c.told(d, failure)
	}
	return c.told(d, err)
}

// told notes how an operation ended.
func (c *Child) told(d *call, err error) error {
	outcome := "done"
	if e := storage.AsError(err); e != nil {
		outcome = e.Code.String()
		if e.OutcomeUnknown {
			outcome += ", outcome unknown"
		}
		if d.fault.Kind != 0 {
			outcome += " (" + d.fault.Kind.String() + ")"
		}
	}
	c.opts.Log.op(c.opts.Name, d.op, d.key, outcome)
	return err
}
