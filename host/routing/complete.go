package routing

import (
	"context"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// engine is what a policy over children with data of their own implements; the
// arguments of its operations are valid and its capabilities allow them.
type engine interface {
	storage.Backend
	storage.HealthChecker
	storage.Copier
}

// complete makes the store of an engine: what its capabilities lack is refused,
// a batch that it does not do as one is done by one, and Copy is always its own.
func complete(e engine) storage.Store {
	c := completed{storage.Complete(e), e}
	if r, ok := e.(Reporter); ok {
		return struct {
			completed
			Reporter
		}{c, r}
	}
	return c
}

type completed struct {
	storage.Store
	engine engine
}

func (c completed) Copy(ctx context.Context, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	err := storage.ValidateCopy(src, dst, opts)
	if err == nil && !opts.If.IsNone() && !c.Capabilities().ConditionalPut {
		err = storage.Errorf(storage.CodeUnimplemented, "not all children support conditional writes")
	}
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", dst)
	}
	res, err := c.engine.Copy(ctx, src, dst, opts)
	return res, storage.Annotate(err, "copy", dst)
}
