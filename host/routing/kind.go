package routing

import (
	"cmp"
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/journal"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Policy is the configuration of a policy and the way to build it: a struct
// such as [FirstAvailable], whose tags are those of package sdk/schema.
// Attributes that name children have the flag ref and hold references,
// "backend.NAME" or "policy.NAME". A zero field means its documented default.
type Policy interface {
	// Build makes the store of the policy called name; child gives the child of
	// a reference. Besides what env offers, the policy may start goroutines of
	// its own: Close of the store ends them and leaves the children alone. A
	// store may also be a [Repairer] and a [Reporter].
	Build(name string, env Env, child func(ref string) (Child, error)) (storage.Store, error)
}

// Checker is a Policy that can tell from the configuration alone that it
// promises what it cannot keep.
type Checker interface {
	// Check returns what is wrong, with paths into the body of the policy.
	// kinds gives what the child of a reference is made of: the kinds of all its
	// policies, that of a policy itself first, and the references of the backends
	// beneath them; nothing for a backend.
	Check(kinds func(ref string) []string) schema.Diagnostics
}

// Env is what policies are built with besides their options and children. The
// zero value suits those that keep nothing of their own.
type Env struct {
	// Listener is told what policies do.
	Listener event.Listener
	// Journal keeps what a policy owes its children. Without one, policies that
	// need it are refused.
	Journal *journal.Journal
	// SpoolDir is where values wait that are too large for memory and must be
	// sent more than once. Empty: the system's directory for temporary files.
	SpoolDir string
	// Clock gives versions; all policies of a host share one. Nil: each has its
	// own.
	Clock *Clock
	// Planners are those that custom policies may name.
	Planners map[string]Planner
}

func (e Env) withDefaults() Env {
	e.Listener = e.Listener.WithDefaults()
	if e.Clock == nil {
		e.Clock = NewClock()
	}
	if e.Journal != nil {
		// One too far ahead is refused where an object has it.
		_ = e.Clock.Observe(storage.Version(e.Journal.Newest()))
	}
	return e
}

// Kind is a kind of policy.
type Kind struct {
	// Name as in policy "NAME" "label" { … }, and Doc, a sentence or two for
	// the operator.
	Name, Doc string
	// Policy is the zero value of its configuration.
	Policy Policy
	// Journal: it cannot be built without Env.Journal, or has options that
	// cannot.
	Journal bool
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

func (c Child) state() event.BreakerInfo {
	if c.State == nil {
		return event.BreakerInfo{}
	}
	return c.State()
}

// Children makes the function that Build asks from a list.
func Children(all ...Child) func(ref string) (Child, error) {
	return func(ref string) (Child, error) {
		if i := slices.IndexFunc(all, func(c Child) bool { return c.Name == ref }); i >= 0 {
			return all[i], nil
		}
		return Child{}, storage.Errorf(storage.CodeInvalidArgument, "there is no %s", ref)
	}
}

// Kinds returns the policies that exist, by name.
func Kinds() []Kind {
	return []Kind{
		{Name: "always_use", Policy: AlwaysUse{}, Doc: "One backend for everything. There is no failover: if it is down, operations are Unavailable."},
		{Name: "first_available", Policy: FirstAvailable{}, Journal: true, Doc: "The first backend that works, in strict order. Reads fail over to the next one; writes go to the first, or fail over too and are given to the first when it is back."},
		{Name: "custom", Policy: Custom{}, Journal: true, Doc: "An expression over the object, or a planner of the program that embeds the host, says which backend has it."},
		{Name: "round_robin", Policy: RoundRobin{}, Journal: true, Doc: "Backends take turns: for reads if all have the same data, or for new objects, of which each is then in one of them."},
		{Name: "shard", Policy: Shard{}, Journal: true, Doc: "Every key belongs to one of several backends, chosen by its hash. If that one is down, its keys are Unavailable."},
		{Name: preferCacheName, Policy: PreferCache{}, Doc: "A cache before a source. Reads come from the cache while nothing was written since; writes go to the source."},
		{Name: "redundant", Policy: Redundant{}, Journal: true, Doc: "Copies of everything at several backends: writes are acknowledged by as many as asked for, and what a backend misses it is given later."},
	}
}

// childrenOf resolves the references of a policy, each of which may occur once.
func childrenOf(policy, attribute string, refs []string, child func(string) (Child, error)) ([]Child, error) {
	if len(refs) == 0 {
		return nil, refused(policy, "%s is empty", attribute)
	}
	children := make([]Child, len(refs))
	for i, ref := range refs {
		if slices.Contains(refs[:i], ref) {
			return nil, refused(policy, "%s is twice in %s", ref, attribute)
		}
		var err error
		if children[i], err = child(ref); err != nil {
			return nil, refused(policy, "%w", err)
		}
	}
	return children, nil
}

// refused is the error of a policy that cannot be built.
func refused(policy, format string, args ...any) error {
	return storage.Errorf(storage.CodeInvalidArgument, "policy %q: %w", policy, storage.Errorf(storage.CodeInvalidArgument, format, args...).Err)
}

// Default is what a host without routes uses: first_available over the enabled
// backends by descending priority, those of equal priority as they are given; of a
// single one, that itself.
func Default(backends []Child, env Env) (storage.Store, error) {
	if len(backends) == 0 {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "no backend is enabled")
	}
	order := slices.SortedStableFunc(slices.Values(backends), func(a, b Child) int { return cmp.Compare(b.Priority, a.Priority) })
	if len(order) == 1 {
		return borrowed{order[0].Store}, nil
	}
	refs := make([]string, len(order))
	for i, c := range order {
		refs[i] = c.Name
	}
	return FirstAvailable{Order: refs}.Build("default", env, Children(order...))
}

// borrowed is a store whose Close belongs to somebody else.
type borrowed struct{ storage.Store }

func (borrowed) Close(context.Context) error { return nil }
