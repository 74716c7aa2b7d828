package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (f *failover) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	err = f.look(ctx, question{event.OpGet, key, opts.Consistency, opts.IfMatch}, func(holder *candidate) error {
		if r, err = f.getAt(ctx, holder, key, opts); err == nil {
			r.Object = holder.outward(r.Object)
		}
		return err
	}, func() error {
		r, err = f.firstAvailable.Get(ctx, key, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// getAt reads from one child; the etags are the child's.
func (f *failover) getAt(ctx context.Context, c *candidate, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	opts.Consistency = c.level(opts.Consistency)
	if opts.IfMatch, err = c.inward(ctx, key, opts.IfMatch); err != nil {
		return nil, err
	}
	return c.child.Store.Get(ctx, key, opts)
}

func (f *failover) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	err = f.look(ctx, question{event.OpStat, key, opts.Consistency, opts.IfMatch}, func(holder *candidate) (err error) {
		opts := opts
		opts.Consistency = holder.level(opts.Consistency)
		if opts.IfMatch, err = holder.inward(ctx, key, opts.IfMatch); err != nil {
			return err
		}
		if o, err = holder.child.Store.Stat(ctx, key, opts); err == nil {
			o = holder.outward(o)
		}
		return err
	}, func() error {
		o, err = f.firstAvailable.Stat(ctx, key, opts)
		return err
	})
	if err != nil {
		return storage.Object{}, err
	}
	return o, nil
}

// look answers a read from the child that took the last write of the key, with
// held; if the primary missed nothing, as usual.
func (f *failover) look(ctx context.Context, q question, held func(*candidate) error, usual func() error) error {
	if anyone(q.level) {
		lost, err := f.lookOnce(ctx, q, held, usual)
		if !lost {
			return err
		}
		// Perhaps it was deleted a moment ago.
	}
	unlock, err := f.keys.Lock(ctx, q.key)
	if err != nil {
		return storage.AsError(err)
	}
	defer unlock()
	_, err = f.lookOnce(ctx, q, held, usual)
	return err
}

func (f *failover) lookOnce(ctx context.Context, q question, held func(*candidate) error, usual func() error) (lost bool, err error) {
	w, _, owed := f.owed(f.primary.child.Name, q.key)
	if !owed {
		return false, usual()
	}
	if w.state == deleted {
		return false, storage.Errorf(storage.CodeNotFound, "it was deleted while %s was down", f.primary.child.Name)
	}
	holder := f.child(w.holder)
	if holder == nil {
		if q.level == storage.ConsistencyEventual {
			return false, usual()
		}
		return false, w.unnamed()
	}
	err = held(holder)
	holder.report(ctx, false, err)
	switch {
	case err == nil:
		return false, nil
	case storage.CodeOf(err) == storage.CodeNotFound && !w.mayBeGone(time.Now()):
		return true, w.lost()
	case !failsOver(ctx, err):
		return false, holder.failed(ctx, err, q.op.String(), q.key)
	case q.level == storage.ConsistencyEventual:
		return false, usual()
	default:
		return false, w.away(f.primary.child.Name, err)
	}
}
