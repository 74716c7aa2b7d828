package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

const bigKey = "big/value"

// bigValue stores a generated value of d.big bytes and reads it back. Nothing
// of it is kept here but its sum.
func (d *demo) bigValue(ctx context.Context) error {
	if err := d.resetMemory(); err != nil {
		return err
	}
	var want digest
	if err := d.bigStep(ctx, "store one value", func(ctx context.Context, bar *bar) error {
		hash := sha256.New()
		value := rand.NewChaCha8([32]byte{})
		body := io.TeeReader(io.LimitReader(value, d.big), io.MultiWriter(hash, bar))
		res, err := d.store.Put(ctx, bigKey, body, storage.PutOptions{SizeHint: d.big})
		if err == nil && res.Object.Size != d.big {
			err = fmt.Errorf("of %d bytes %d were stored", d.big, res.Object.Size)
		}
		want = digest(hash.Sum(nil))
		return err
	}); err != nil {
		return err
	}
	return d.bigStep(ctx, "read it back", func(ctx context.Context, bar *bar) error {
		r, err := d.store.Get(ctx, bigKey, storage.GetOptions{})
		if err != nil {
			return err
		}
		defer r.Close()
		got, err := sum(io.TeeReader(r, bar))
		if err == nil {
			d.report.compared(bigKey, got == want)
		}
		return err
	})
}

func (d *demo) bigStep(ctx context.Context, name string, do func(context.Context, *bar) error) error {
	bar := d.bars.add(name, d.big)
	defer bar.end()
	begin := time.Now()
	if err := do(ctx, bar); err != nil {
		return err
	}
	d.report.steps = append(d.report.steps, step{name, 1, d.big, time.Since(begin)})
	return nil
}
