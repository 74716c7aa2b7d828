package supabase

import (
	"context"
	"math/rand/v2"
	"time"
)

// sweepBatch is how many rows, and how many objects, go in one call.
const sweepBatch = 500

// orphanInterval is how often the bucket is searched for objects that no row
// ever pointed to, in sweeps.
const orphanInterval = 60

// sweepEvery removes what is no longer of use until the backend is closed. Many
// hosts may do so at once; each begins at another time.
func (b *backend) sweepEvery(ctx context.Context) {
	interval := b.config.SweepInterval
	timer := time.NewTimer(rand.N(interval)) //nolint:gosec // jitter needs no secrecy
	defer timer.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		b.sweep(ctx, round%orphanInterval == 0)
		timer.Reset(interval)
	}
}

// sweep does one round of each kind. What fails is done in the next one.
func (b *backend) sweep(ctx context.Context, orphans bool) {
	note := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			b.log.Warn("what is no longer of use could not be removed", "what", what, "error", err)
		}
	}
	note("expired objects and old changes", b.sweepRows(ctx))
	if orphans && b.bucket.name != "" {
		note("large values that no row points to", b.condemnOrphans(ctx))
	}
	note("replaced large values", b.removeGarbage(ctx))
}

func (b *backend) sweepRows(ctx context.Context) error {
	for ctx.Err() == nil {
		var swept struct {
			Expired int `json:"expired"`
			Trimmed int `json:"trimmed"`
		}
		if _, err := b.caller.call(ctx, "sweep", map[string]any{
			"p_namespace": b.config.Namespace, "p_limit": sweepBatch, "p_history": int64(b.config.History.Seconds()),
			"p_writer": b.writer.id,
		}, &swept); err != nil {
			return err
		}
		if swept.Expired < sweepBatch && swept.Trimmed < sweepBatch {
			return nil
		}
	}
	return cause(ctx)
}

// removeGarbage deletes the objects that nothing has pointed to for the grace
// period, and then forgets them.
func (b *backend) removeGarbage(ctx context.Context) error {
	for {
		var objects []string
		if _, err := b.caller.call(ctx, "garbage", map[string]any{
			"p_namespace": b.config.Namespace, "p_limit": sweepBatch, "p_grace": int64(b.config.ObjectGrace.Seconds()),
		}, &objects); err != nil || len(objects) == 0 {
			return err
		}
		if err := b.bucket.remove(ctx, objects); err != nil {
			return err
		}
		var forgotten struct{}
		if _, err := b.caller.call(ctx, "forget", map[string]any{"p_objects": objects}, &forgotten); err != nil {
			return err
		}
		if len(objects) < sweepBatch {
			return nil
		}
	}
}

// condemnOrphans looks for objects older than the grace period that no row
// points to, and makes garbage of them.
func (b *backend) condemnOrphans(ctx context.Context) error {
	folder := b.bucket.folder(b.config.Namespace)
	for cursor := ""; ; {
		page, next, now, err := b.bucket.list(ctx, folder, cursor)
		if err != nil {
			return err
		}
		var old []string
		for _, o := range page {
			if now.Sub(o.CreatedAt) >= b.config.OrphanGrace {
				old = append(old, b.bucket.name+"/"+o.Name)
			}
		}
		if len(old) > 0 {
			if err := b.condemn(ctx, old); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (b *backend) condemn(ctx context.Context, objects []string) error {
	var condemned struct{}
	_, err := b.caller.call(ctx, "condemn", map[string]any{"p_namespace": b.config.Namespace, "p_objects": objects}, &condemned)
	return err
}
