package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/plugins/local/local"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// replicaCopy is what a replica holds of a key: two that are equal are the same.
type replicaCopy struct {
	version, writer string
	tombstone       bool
	contentType     string
	size            int64
	sha256          string // of the bytes that were read
	wrong           string // what is wrong with them, or ""
}

func (c replicaCopy) String() string {
	switch {
	case c.version == "":
		return "nothing"
	case c.tombstone:
		return fmt.Sprintf("a tombstone, version %s of %s", c.version, c.writer)
	default:
		return fmt.Sprintf("%s, %d bytes, version %s of %s, SHA-256 %.16s… %s", c.contentType, c.size, c.version, c.writer, c.sha256, c.wrong)
	}
}

// readReplica reads all that the directory of a replica holds, without a host or
// a plugin between.
func readReplica(ctx context.Context, dir string) (_ map[string]replicaCopy, err error) {
	backend, err := local.OpenDisk(ctx, local.DiskOptions{Path: dir})
	if err != nil {
		return nil, err
	}
	store := storage.Complete(backend)
	defer func() {
		if closing := store.Close(context.WithoutCancel(ctx)); err == nil {
			err = closing
		}
	}()
	objects, err := listing(ctx, store)
	if err != nil {
		return nil, err
	}
	all := make(map[string]replicaCopy, len(objects))
	for _, o := range objects {
		if all[o.Key], err = readCopy(ctx, store, o); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	return all, nil
}

func readCopy(ctx context.Context, store storage.Store, o storage.Object) (replicaCopy, error) {
	c := replicaCopy{
		version: o.Metadata["stowage-version"], writer: o.Metadata["stowage-writer"], tombstone: o.Metadata["stowage-tombstone"] != "",
		contentType: o.ContentType, size: o.Size,
	}
	r, err := store.Get(ctx, o.Key, storage.GetOptions{IfMatch: o.ETag})
	if err != nil {
		return c, err
	}
	defer r.Close()
	value, err := io.ReadAll(r)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256(value)
	c.sha256 = hex.EncodeToString(sum[:])
	if c.tombstone {
		return c, nil
	}
	i, size := judged(o)
	c.wrong = difference(o.Key, i, size, value)
	if want := o.Metadata["stowage-sha256"]; c.wrong == "" && c.sha256 != want {
		c.wrong = "its metadata names the SHA-256 " + want
	}
	return c, nil
}

// comparison is what all replicas hold, side by side.
type comparison struct {
	keys   []string
	copies map[string][]replicaCopy // in the order of the replicas
}

func (r *run) compare() (*comparison, error) {
	c := &comparison{copies: make(map[string][]replicaCopy)}
	for n, name := range replicas() {
		all, err := readReplica(r.life, filepath.Join(r.dir, name))
		if err != nil {
			return nil, err
		}
		for key, held := range all {
			if c.copies[key] == nil {
				c.copies[key] = make([]replicaCopy, len(replicas()))
				c.keys = append(c.keys, key)
			}
			c.copies[key][n] = held
		}
	}
	slices.Sort(c.keys)
	return c, nil
}

// equal reports whether all replicas hold the same of a key.
func (c *comparison) equal(key string) bool {
	held := c.copies[key]
	return len(held) == 0 || !slices.ContainsFunc(held, func(other replicaCopy) bool { return other != held[0] })
}

func (c *comparison) describe(key string) string {
	var b strings.Builder
	for n, held := range c.copies[key] {
		fmt.Fprintf(&b, "\n    %s holds %s", replicas()[n], held)
	}
	return b.String()
}
