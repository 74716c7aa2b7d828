package routing

import (
	"context"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// fence writes to a key of a child without changing it. A put whose outcome is
// not known never lands over a later write to the key at the same child; after
// the fence it has landed or never will, also if the next write goes elsewhere.
func fence(ctx context.Context, child storage.Store, key string) (err error) {
	switch caps := child.Capabilities(); {
	case caps.ConditionalDelete:
		_, err = child.Delete(ctx, key, storage.DeleteOptions{If: storage.IfETag(alien)})
	case caps.ConditionalPut:
		_, err = child.Put(ctx, key, strings.NewReader(""), storage.PutOptions{If: storage.IfETag(alien)})
	default: // where there is an object, the write that removes it is a fence as well
		if _, err = child.Stat(ctx, key, storage.StatOptions{}); storage.CodeOf(err) == storage.CodeNotFound {
			_, err = child.Delete(ctx, key, storage.DeleteOptions{})
		}
	}
	if storage.CodeOf(err) == storage.CodeFailedPrecondition {
		return nil
	}
	return err
}
