package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// buildPlanned builds a custom policy with a planner.
func (o Custom) buildPlanned(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	planner, err := plannerOf(name, env, o.Planner)
	if err != nil {
		return nil, err
	}
	children, err := childrenOf(name, "backends", o.Backends, child)
	if err != nil {
		return nil, err
	}
	if len(children) > MaxReplicas {
		return nil, refused(name, "%d backends are too many; at most %d can be planned for", len(children), MaxReplicas)
	}
	e, err := newReplicated("custom", name, env, children)
	if err != nil {
		return nil, err
	}
	p := &planning{policy: name, planner: planner, children: children}
	e.plan = func(op event.Op, key string) (copySet, error) {
		if key == "" { // of all keys: every child may have some
			return copySet{replicas: e.all, write: 1}, nil
		}
		plan, err := p.plan(op, key)
		if err != nil {
			return copySet{}, err
		}
		if op != event.OpGet && op != event.OpStat {
			slices.Sort(plan.Targets) // what decides conditions must not depend on health
		}
		set := copySet{write: plan.Write.needs(len(plan.Targets)), reading: plan.Read}
		for _, at := range plan.Targets {
			set.replicas = append(set.replicas, e.all[at])
		}
		return set, nil
	}
	e.start()
	return newReplicatedStore(e), nil
}

func plannerOf(policy string, env Env, name string) (Planner, error) {
	if p := env.Planners[name]; p != nil {
		return p, nil
	}
	known := slices.Sorted(maps.Keys(env.Planners))
	if len(known) == 0 {
		return nil, refused(policy, "there is no planner %q: the program that embeds the host registers none", name)
	}
	return nil, refused(policy, "there is no planner %q; there are %s", name, strings.Join(known, ", "))
}

// planning asks a planner where operations go.
type planning struct {
	policy   string
	planner  Planner
	children []Child
}

// plan returns a plan that can be executed: with targets, each of them a child
// and none twice. A planner that panics, or plans something else, is Internal.
func (p *planning) plan(op event.Op, key string) (plan Plan, err error) {
	request := PlanRequest{Op: op, Key: key, Children: make([]ChildSnapshot, len(p.children))}
	for i, c := range p.children {
		request.Children[i] = ChildSnapshot{Name: c.Name, Breaker: c.state().State}
	}
	defer func() {
		if cause := recover(); cause != nil {
			plan, err = Plan{}, p.wrong("it panicked: %v", cause)
		}
	}()
	if plan, err = p.planner.Plan(request); err != nil {
		return Plan{}, storage.AsError(fmt.Errorf("policy %q: the planner refused: %w", p.policy, err))
	}
	plan.Targets = slices.Clone(plan.Targets)
	return plan, p.check(plan)
}

func (p *planning) check(plan Plan) error {
	if len(plan.Targets) == 0 {
		return p.wrong("it gave no targets")
	}
	for i, at := range plan.Targets {
		switch {
		case at < 0 || at >= len(p.children):
			return p.wrong("it gave the target %d, of %d children", at, len(p.children))
		case slices.Contains(plan.Targets[:i], at):
			return p.wrong("it gave the target %d twice", at)
		}
	}
	if !slices.Contains([]Concern{"", WriteOne, WriteQuorum, WriteAll}, plan.Write) {
		return p.wrong("it gave the write concern %q", plan.Write)
	}
	if !slices.Contains([]Reading{"", ReadFirst, ReadQuorum, ReadVerify}, plan.Read) {
		return p.wrong("it gave the reading %q", plan.Read)
	}
	return nil
}

func (p *planning) wrong(format string, args ...any) error {
	return storage.Errorf(storage.CodeInternal, "policy %q: the planner is at fault: %w", p.policy, fmt.Errorf(format, args...))
}
