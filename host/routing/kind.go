package routing

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Kind is a kind of policy.
type Kind struct {
	// Name as in policy "NAME" "label" { … }, and Doc, a sentence or two for
	// the operator.
	Name, Doc string
	// Options is the zero value of the struct that the body of the policy is
	// decoded into. Its tags are those of package sdk/schema; attributes that
	// name children have the flag ref.
	Options any
	// Build makes the policy. options is a pointer to a decoded struct of the
	// type of Options; child gives the child of a reference, as it is written
	// in the struct. Build has no effects besides its result.
	Build func(name string, options any, child func(ref string) (Child, error)) (storage.Store, error)
}

// Child is a store that a policy is built from.
type Child struct {
	// Name is the reference: "backend.disk" or "policy.safe".
	Name  string
	Store storage.Store
	// State is that of the child's circuit breaker. Nil: it has none, and
	// counts as closed. It is asked on every operation and must be cheap.
	State func() event.BreakerInfo
	// Priority orders the backends of [Default]; the highest comes first.
	Priority int
}

// Kinds returns the policies that exist, by name. Those built tell l of their
// failovers.
func Kinds(l event.Listener) []Kind {
	return []Kind{
		kind("always_use", "One backend for everything. There is no failover: if it is down, operations are Unavailable.", buildAlwaysUse),
		kind("first_available", "The first backend that works, in strict order. Reads fail over to the next one; writes always go to the first.",
			func(name string, o FirstAvailableOptions, children func(string) (Child, error)) (storage.Store, error) {
				return buildFirstAvailable(name, o, children, l)
			}),
	}
}

func kind[T any](name, doc string, build func(name string, options T, child func(string) (Child, error)) (storage.Store, error)) Kind {
	var zero T
	return Kind{
		Name: name, Doc: doc, Options: zero,
		Build: func(name string, options any, child func(string) (Child, error)) (storage.Store, error) {
			o, ok := options.(*T)
			if !ok {
				return nil, fmt.Errorf("policy %q: built with options of type %T, want %T", name, options, &zero)
			}
			return build(name, *o, child)
		},
	}
}

// Default is what a host without routes uses: first_available over the enabled
// backends by descending priority, those of equal priority as they are given; of a
// single one, that itself.
func Default(backends []Child, l event.Listener) (storage.Store, error) {
	if len(backends) == 0 {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "no backend is enabled")
	}
	order := slices.SortedStableFunc(slices.Values(backends), func(a, b Child) int { return cmp.Compare(b.Priority, a.Priority) })
	if len(order) == 1 {
		return borrowed{order[0].Store}, nil
	}
	return FirstAvailable("default", order, FirstAvailableOptions{}, l)
}

// borrowed is a store whose Close belongs to somebody else.
type borrowed struct{ storage.Store }

func (borrowed) Close(context.Context) error { return nil }
