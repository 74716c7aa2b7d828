package routing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The etags of a policy whose children hold data of their own are those of the
// children behind a mark that tells which child: "4f0c2a91.v7". An etag too
// long for that is replaced by its hash: "4f0c2a91~9b1d…". A condition made of
// one therefore names one version of one child, whichever child evaluates it.

const (
	markPlain  = "."
	markHashed = "~"
	// alien is no object's etag, and begins others that none has: a child is given
	// one in the place of an etag that belongs to another.
	alien = "no-such-version."
)

// marked is a child whose etags are told from those of the others.
type marked struct {
	child Child
	mark  string // begins its etags
}

func newMarked(c Child) marked {
	sum := sha256.Sum256([]byte(c.Name))
	return marked{child: c, mark: hex.EncodeToString(sum[:4])}
}

func hashed(etag string) string {
	sum := sha256.Sum256([]byte(etag))
	return hex.EncodeToString(sum[:])
}

// qualify is the policy's etag for one of the child's.
func (c *marked) qualify(etag string) string {
	if etag == "" {
		return ""
	}
	if plain := c.mark + markPlain + etag; len(plain) <= storage.MaxETagBytes {
		return plain
	}
	return c.mark + markHashed + hashed(etag)
}

// owns reports whether etag is one of the child's.
func (c *marked) owns(etag string) bool {
	return strings.HasPrefix(etag, c.mark+markPlain) || strings.HasPrefix(etag, c.mark+markHashed)
}

// outward is an object of the child as callers of the policy see it.
func (c *marked) outward(o storage.Object) storage.Object {
	o.ETag = c.qualify(o.ETag)
	return o
}

// inward is what the child is asked for when a caller asks for etag: the
// child's own, or one that it does not have. Only a hashed one needs to ask
// the child which that is.
func (c *marked) inward(ctx context.Context, key, etag string) (string, error) {
	if etag == "" {
		return "", nil
	}
	if plain, ok := strings.CutPrefix(etag, c.mark+markPlain); ok && plain != "" {
		return plain, nil
	}
	if strings.HasPrefix(etag, c.mark+markHashed) {
		o, err := c.child.Store.Stat(ctx, key, storage.StatOptions{})
		switch {
		case err == nil && c.qualify(o.ETag) == etag:
			return o.ETag, nil
		case err != nil && storage.CodeOf(err) != storage.CodeNotFound:
			return "", err
		}
	}
	return alien + hashed(etag), nil
}

// condition is the child's condition for one of the policy's.
func (c *marked) condition(ctx context.Context, key string, cond storage.Condition) (storage.Condition, error) {
	if cond.Kind != storage.ConditionETag {
		return cond, nil
	}
	etag, err := c.inward(ctx, key, cond.ETag)
	return storage.IfETag(etag), err
}

// failure is an error of this child as the policy's callers see it.
func (c *marked) failure(err error, op, key string) error {
	e := storage.AsError(storage.Annotate(err, op, key))
	if e.Current != "" {
		e.Current = c.qualify(e.Current)
	}
	return e
}
