package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

func (d *demo) writeTree(ctx context.Context, files []file) error {
	s, err := d.each(ctx, "copy", files, d.write)
	d.report.steps = append(d.report.steps, s)
	return err
}

func (d *demo) write(ctx context.Context, f file) error {
	source, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer source.Close()
	res, err := d.store.Put(ctx, f.key, source, storage.PutOptions{SizeHint: f.size})
	if err == nil && res.Object.Size != f.size {
		err = fmt.Errorf("%s has %d bytes, of which %d were stored", f.path, f.size, res.Object.Size)
	}
	return err
}

func (d *demo) readTree(ctx context.Context, files []file) error {
	s, err := d.each(ctx, "read back", files, d.compare)
	d.report.steps = append(d.report.steps, s)
	return err
}

// compare reads an object and its source, each anew. A difference is counted
// and is no error, so that all of them are found.
func (d *demo) compare(ctx context.Context, f file) error {
	got, err := d.sumOfObject(ctx, f.key)
	if err != nil {
		return err
	}
	source, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer source.Close()
	want, err := sum(source)
	if err != nil {
		return err
	}
	d.report.compared(f.key, got == want)
	return nil
}

func (d *demo) sumOfObject(ctx context.Context, key string) (digest, error) {
	r, err := d.store.Get(ctx, key, storage.GetOptions{})
	if err != nil {
		return digest{}, err
	}
	defer r.Close()
	return sum(r)
}

type digest [sha256.Size]byte

func sum(r io.Reader) (digest, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return digest(h.Sum(nil)), err
}

// checkListing compares the keys that the store lists, in its order, with the
// files.
func (d *demo) checkListing(ctx context.Context, files []file) error {
	missing := make(map[string]bool, len(files))
	for _, f := range files {
		missing[f.key] = true
	}
	opts := storage.ListOptions{Prefix: treePrefix}
	for last := ""; ; {
		page, err := d.store.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if o.Key <= last {
				return fmt.Errorf("%q is listed after %q", o.Key, last)
			}
			if !missing[o.Key] {
				return fmt.Errorf("%q is listed and was never stored", o.Key)
			}
			delete(missing, o.Key)
			last = o.Key
			d.report.listed++
		}
		if opts.Token = page.NextToken; opts.Token == "" {
			break
		}
	}
	for key := range missing {
		return fmt.Errorf("%d stored objects are not listed, %q among them", len(missing), key)
	}
	return nil
}
