package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// naive is what everybody writes first: puts go to all children and need more
// than half of them, reads take the first child that answers.
type naive struct {
	storage.Store // the first child
	children      []storage.Store
}

func openNaive(env Env) (storage.Store, error) {
	n := &naive{Store: env.Children[0].Store}
	for _, c := range env.Children {
		n.children = append(n.children, c.Store)
	}
	return n, nil
}

func (n *naive) majority(write func(storage.Store) error) error {
	var failure error
	succeeded := 0
	for i, c := range n.children {
		if err := write(c); err != nil {
			if i == 0 && errors.Is(err, storage.ErrFailedPrecondition) {
				return err
			}
			failure = err
			continue
		}
		succeeded++
	}
	if succeeded > len(n.children)/2 {
		return nil
	}
	e := storage.AsError(failure)
	e.OutcomeUnknown = true
	return e
}

func (n *naive) Put(ctx context.Context, key string, body io.Reader, opts storage.PutOptions) (res storage.PutResult, err error) {
	value, err := io.ReadAll(body)
	if err != nil {
		return res, err
	}
	err = n.majority(func(s storage.Store) error {
		var err error
		var r storage.PutResult
		if r, err = s.Put(ctx, key, bytes.NewReader(value), opts); err == nil {
			res = r
		}
		return err
	})
	return res, err
}

func (n *naive) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (d storage.Deleted, err error) {
	err = n.majority(func(s storage.Store) error {
		_, err := s.Delete(ctx, key, opts)
		return err
	})
	return d, err
}

func (n *naive) Get(ctx context.Context, key string, opts storage.GetOptions) (r *storage.Reader, err error) {
	for _, c := range n.children {
		if r, err = c.Get(ctx, key, opts); err == nil || !storage.CodeOf(err).Unhealthy() {
			break
		}
	}
	return r, err
}

func (n *naive) Stat(ctx context.Context, key string, opts storage.StatOptions) (o storage.Object, err error) {
	for _, c := range n.children {
		if o, err = c.Stat(ctx, key, opts); err == nil || !storage.CodeOf(err).Unhealthy() {
			break
		}
	}
	return o, err
}

func three() []ChildOptions { return []ChildOptions{{Name: "a"}, {Name: "b"}, {Name: "c"}} }

func alone(env Env) (storage.Store, error) { return env.Children[0].Store, nil }

func TestASingleChildIsLinearizable(t *testing.T) {
	RunLinearizable(t, Harness{Children: []ChildOptions{{Name: "a"}}, Open: alone}, LinearOptions{})
}

func TestASingleChildIsLinearizableWhileItsHostIsKilled(t *testing.T) {
	RunLinearizable(t, Harness{Children: []ChildOptions{{Name: "a"}}, Open: alone}, LinearOptions{Kill: true})
}

func TestANaiveReplicatedStoreIsNotLinearizable(t *testing.T) {
	err := FindNonlinearizable(t, Harness{Children: three(), Open: openNaive}, LinearOptions{})
	if err == nil {
		t.Fatal("the checker found nothing")
	}
	t.Log(err)
}

func TestASingleChildKeepsToTheModel(t *testing.T) {
	RunModel(t, Harness{Children: []ChildOptions{{Name: "a"}}, Open: alone})
}

func TestASingleVolatileChildKeepsToTheModel(t *testing.T) {
	RunModel(t, Harness{Children: []ChildOptions{{Name: "a", Volatile: true}}, Open: alone})
}

func TestANaiveReplicatedStoreDoesNotKeepToTheModel(t *testing.T) {
	err := FindModelFault(t, Harness{Children: three(), Open: openNaive, ManyETags: true})
	if err == nil {
		t.Fatal("the model found nothing")
	}
	t.Log(err)
}
