package storagetest

import (
	"context"
	"errors"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// names ends the case unless err is an *Error of the code, the operation and
// the key, and is found by errors.Is.
func (p *probe) names(err error, code storage.Code, op, key string) {
	e := p.fails(err, code, op)
	equal(p, "the operation of the error", e.Op, op)
	equal(p, "the key of the error", e.Key, key)
	if !errors.Is(err, code) {
		p.failf("expected errors.Is to find %s in the error; it does not: %v", code.String(), err)
	}
	if !strings.Contains(err.Error(), op) {
		p.failf("expected the text of the error to name the operation %q; got %q", op, err)
	}
	if e.Temporary || e.OutcomeUnknown {
		p.failf("expected an error that is final and knows its outcome; got %+v", *e)
	}
}

func errorRules() []rule {
	return []rule{
		{group: "errors", name: "get-names-operation-and-key", check: func(ctx context.Context, p *probe) {
			key := p.key("missing")
			r, err := p.store.Get(ctx, key, storage.GetOptions{})
			if err == nil {
				_ = r.Close()
			}
			p.names(err, storage.CodeNotFound, "get", key)
			p.set(ctx, key, "v")
			r, err = p.store.Get(ctx, key, storage.GetOptions{Range: storage.RangeFrom(2)})
			if err == nil {
				_ = r.Close()
			}
			p.names(err, storage.CodeOutOfRange, "get", key)
		}},
		{group: "errors", name: "stat-names-operation-and-key", check: func(ctx context.Context, p *probe) {
			key := p.key("missing")
			_, err := p.store.Stat(ctx, key, storage.StatOptions{})
			p.names(err, storage.CodeNotFound, "stat", key)
		}},
		{group: "errors", name: "put-names-operation-and-key", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{TTL: -1})
			p.names(err, storage.CodeInvalidArgument, "put", key)
			if p.caps.ConditionalPut {
				_, err = p.store.Put(ctx, key, strings.NewReader("v"), storage.PutOptions{If: storage.IfExists()})
				p.names(err, storage.CodeFailedPrecondition, "put", key)
			}
		}},
		{group: "errors", name: "delete-names-operation-and-key", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			_, err := p.store.Delete(ctx, key, storage.DeleteOptions{If: storage.IfAbsent()})
			p.names(err, storage.CodeInvalidArgument, "delete", key)
			if p.caps.ConditionalDelete {
				_, err = p.store.Delete(ctx, key, storage.DeleteOptions{If: storage.IfExists()})
				p.names(err, storage.CodeFailedPrecondition, "delete", key)
			}
		}},
		{group: "errors", name: "list-names-the-operation", check: func(ctx context.Context, p *probe) {
			_, err := p.store.List(ctx, storage.ListOptions{Prefix: p.prefix, Token: "!! not a token !!"})
			p.names(err, storage.CodeInvalidArgument, "list", "")
		}},
		{group: "errors", name: "a-body-that-is-too-large-says-so", check: func(ctx context.Context, p *probe) {
			key := p.key("k")
			body := &hookedError{err: storage.Errorf(storage.CodeTooLarge, "over the limit")}
			_, err := p.store.Put(ctx, key, body, storage.PutOptions{})
			p.fails(err, storage.CodeTooLarge, "a put whose body fails with TooLarge")
			p.absent(ctx, key)
		}},
	}
}

// hookedError is a body that gives some bytes and then err.
type hookedError struct {
	err   error
	given bool
}

func (h *hookedError) Read(p []byte) (int, error) {
	if h.given {
		return 0, h.err
	}
	h.given = true
	return copy(p, "some bytes"), nil
}
