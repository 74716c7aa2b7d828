package routing

import (
	"context"
	"strings"

	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// neverETag is one that no object has.
const neverETag = "stowage-fence"

// fence writes to a key of a child without changing it. A put whose outcome is
// not known never lands over a later write to the key at the same child; after
// the fence it has landed or never will, also if the next write goes elsewhere.
func fence(ctx context.Context, child storage.Store, key string) (err error) {
	switch caps := child.Capabilities(); {
	case caps.ConditionalDelete:
		_, err = child.Delete(ctx, key, storage.DeleteOptions{If: storage.IfETag(neverETag)})
	case caps.ConditionalPut:
		_, err = child.Put(ctx, key, strings.NewReader(""), storage.PutOptions{If: storage.IfETag(neverETag)})
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

// mayLand remembers, also for the next host, that a put which failed with err may
// still land at c.
func (p *placed) mayLand(ctx context.Context, w *putting, c *marked, err error) {
	if owner := p.owners.of(w.key); owner != nowhere && p.children[owner] != c {
		p.owners.reset(w.key) // the next write has to look, and so to fence
	}
	if p.debts.log == nil {
		p.debts.doubts.note(w.key, unsure(err, true))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	p.debts.begin(w.key, w.stamp.version, []*marked{c}).each(func(i *journal.Intent, name string) {
		_ = i.Wait(ctx) // without the disk this host still knows
		i.Missed(name)
	})
}
