package manager

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/config"
	"github.com/p2p-ai-agents/stowage/host/registry"
	"github.com/p2p-ai-agents/stowage/host/routing"
	"github.com/p2p-ai-agents/stowage/internal/wire"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// root is the name, in a registry of its own, of the store above all routes:
// operations hold leases on it, so that it can be replaced under them.
const root = ""

// PolicySchemas returns what a configuration may say about each kind of policy.
func PolicySchemas() (map[string]*schema.Schema, error) {
	schemas := make(map[string]*schema.Schema)
	for _, kind := range routing.Kinds() {
		s, err := schema.Reflect(reflect.New(reflect.TypeOf(kind.Policy)).Interface())
		if err != nil {
			return nil, fmt.Errorf("policy %q: %w", kind.Name, err)
		}
		s.Doc = kind.Doc
		schemas[kind.Name] = s
	}
	return schemas, nil
}

// CheckPolicy asks a policy whether it can keep what it promises over children
// of these kinds; it is a [config.PolicyCheck].
func CheckPolicy(kind string, value cty.Value, kinds func(ref string) []string) schema.Diagnostics {
	return checkPolicy(routing.Kinds(), kind, value, kinds)
}

func checkPolicy(all []routing.Kind, kind string, value cty.Value, kinds func(ref string) []string) schema.Diagnostics {
	i := slices.IndexFunc(all, func(k routing.Kind) bool { return k.Name == kind })
	if i < 0 {
		return nil // unknown kinds have been complained about
	}
	policy, err := decodePolicy(all[i], value)
	if err != nil {
		return schema.Diagnostics{schema.Errorf(nil, "Policy cannot be used", "%v.", err)}
	}
	if checker, ok := policy.(routing.Checker); ok {
		return checker.Check(kinds)
	}
	return nil
}

func decodePolicy(kind routing.Kind, value cty.Value) (routing.Policy, error) {
	options := reflect.New(reflect.TypeOf(kind.Policy))
	if diags := schema.Decode(value, options.Interface()); diags.HasErrors() {
		return nil, diags
	}
	policy, ok := options.Elem().Interface().(routing.Policy)
	if !ok {
		return nil, fmt.Errorf("the kind %q cannot be built", kind.Name)
	}
	return policy, nil
}

// policy is one that was built.
type policy struct {
	config *config.Policy
	store  storage.Store
}

// graph builds policies over backends, each once, however often it is referred
// to. The configuration has no cycles.
type graph struct {
	m     *Manager
	env   routing.Env
	kinds map[string]routing.Kind
	built map[string]routing.Child
}

// buildRoutes builds all policies and the table of routes over them. Without
// routes the store is a first_available over all enabled backends.
func (m *Manager) buildRoutes() error {
	env, err := m.policyEnv()
	if err != nil {
		return err
	}
	g := &graph{m: m, env: env, kinds: make(map[string]routing.Kind), built: make(map[string]routing.Child)}
	for _, kind := range m.kinds {
		g.kinds[kind.Name] = kind
	}
	for _, b := range m.backends {
		c := b.child()
		g.built[c.Name] = c
	}
	for _, p := range m.cfg.Policies {
		if _, err := g.child("policy." + p.Name); err != nil {
			return err
		}
	}
	store, err := g.routes()
	if err != nil {
		return err
	}
	m.root.Swap(root, store, registry.Meta{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.env, m.store = env, m.root.Handle(root)
	return nil
}

func (g *graph) child(ref string) (routing.Child, error) {
	if c, ok := g.built[ref]; ok {
		return c, nil
	}
	name, isPolicy := strings.CutPrefix(ref, "policy.")
	p := g.m.cfg.Policy(name)
	if !isPolicy || p == nil {
		return routing.Child{}, fmt.Errorf("%s is not there", ref)
	}
	store, err := g.policy(p)
	if err != nil {
		return routing.Child{}, fmt.Errorf("policy %q: %w", p.Name, err)
	}
	c := routing.Child{Name: ref, Store: store}
	g.built[ref] = c
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.m.policies = append(g.m.policies, policy{p, store})
	return c, nil
}

func (g *graph) policy(p *config.Policy) (storage.Store, error) {
	kind, ok := g.kinds[p.Kind]
	if !ok {
		return nil, fmt.Errorf("there is no kind %q", p.Kind)
	}
	policy, err := decodePolicy(kind, p.Value)
	if err != nil {
		return nil, err
	}
	return policy.Build(p.Name, g.env, g.child)
}

func (g *graph) routes() (storage.Store, error) {
	if len(g.m.cfg.Routes) == 0 {
		return routing.Default(children(g.m.backends), g.env)
	}
	routes := make([]routing.Route, 0, len(g.m.cfg.Routes))
	for _, r := range g.m.cfg.Routes {
		c, err := g.child(r.To)
		if err != nil {
			return nil, err
		}
		routes = append(routes, routing.Route{Prefix: r.Prefix, To: c.Store})
	}
	return routing.NewTable(routes)
}

// child is the backend as policies see it.
func (b *backend) child() routing.Child {
	return routing.Child{Name: "backend." + b.name, Store: b.store, State: b.breaker.State, Priority: b.config.Priority}
}

func children(backends []*backend) []routing.Child {
	out := make([]routing.Child, 0, len(backends))
	for _, b := range backends {
		out = append(out, b.child())
	}
	return out
}

// builtPolicies lists the policies that were built, children before parents.
func (m *Manager) builtPolicies() []policy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.policies)
}

// retireRoutes refuses new operations and, when those under way have ended, as
// far as ctx allows, closes the policies, each before its children.
func (m *Manager) retireRoutes(ctx context.Context) {
	if old := m.root.Fail(root, "the host is shutting down", 0); old != nil {
		if err := old.Drain(ctx); err != nil {
			m.log.Warn("policies are closed under their last operations", "error", err)
		}
		m.closePolicy(ctx, "of the routes", old.Store())
	}
	for _, p := range slices.Backward(m.builtPolicies()) {
		m.closePolicy(ctx, p.config.Name, p.store)
	}
}

// closePolicy closes the store of a policy that nobody uses any more, also when
// ctx has ended.
func (m *Manager) closePolicy(ctx context.Context, name string, store storage.Store) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wire.DefaultShutdownGrace)
	defer cancel()
	if err := store.Close(ctx); err != nil {
		m.log.Warn("closing a policy", "policy", name, "error", err)
	}
}
