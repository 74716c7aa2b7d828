package routing

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/host/expression"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Custom is the policy "custom": where an object belongs is said by an
// expression, see package expression, or by a [Planner] of the program that
// embeds the host.
//
// An expression over the key alone is static: it says for every operation which
// child it goes to, and what holds for [Shard] with a single topology holds
// here.
//
// Any other is dynamic: a put goes where the expression says for this put, and
// reads look for the object, as with mode placement of [RoundRobin]. A put that
// moves an object writes the new copy, and removes the old one after that is
// durable. Before anything is written the journal has what is owed, so a move
// that breaks off at any point is completed later, or undone if the new copy was
// never written; meanwhile the old copy is not seen. If the child that has the
// old copy is down, an unconditional put does without it, and it owes the
// removal.
//
// The condition of a put that stays in its child is decided there. If it moves
// the object, it is decided by the old copy, and again when that is removed: if
// another host wrote meanwhile, the new copy is taken back and the put fails. A
// put on the condition that the key is absent is decided by the child it goes
// to: of two hosts that put different things, which belong into different
// children, both may succeed; then the newer counts.
//
// If the expression asks for the size, a put that does not say it beforehand is
// read to its end first, see [SpoolMemory].
type Custom struct {
	Place    string   `stowage:"place,expr" doc:"An expression over key, size, content_type, metadata and op that gives the backend of an object: size > 1048576 ? backend.cloud : backend.disk."`
	Planner  string   `stowage:"planner" doc:"The name of a planner that the program registered which embeds the host."`
	Backends []string `stowage:"backends,ref" doc:"With planner: the backends it chooses among. With a place that depends on more than the key: further ones where objects may be from earlier."`
}

// Build implements [Policy].
func (o Custom) Build(name string, env Env, child func(string) (Child, error)) (storage.Store, error) {
	env = env.withDefaults()
	program, at, err := o.compile()
	switch {
	case err != nil:
		return nil, refused(name, "%s: %w", at, err)
	case program == nil:
		return o.buildPlanned(name, env, child)
	}
	refs := program.Refs()
	for _, ref := range o.Backends {
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	children, err := childrenOf(name, "place", refs, child)
	if err != nil {
		return nil, err
	}
	by := &byExpression{policy: name, program: program, refs: refs}
	if program.Static() {
		k := newKeyed(name, children, func(key string) (int, error) { return by.index(expression.Attributes{Key: key}) })
		return complete(&k), nil
	}
	if env.Journal == nil {
		return nil, refused(name, "place depends on more than the key, so puts may move objects, and that needs a journal: give the host a data_dir")
	}
	return complete(newPlaced(name, env, children, by)), nil
}

// compile returns the program of Place, nil if a planner decides. The error is
// about the attribute at.
func (o Custom) compile() (p *expression.Program, at string, err error) {
	switch {
	case o.Place == "" && o.Planner == "":
		return nil, "place", storage.Errorf(storage.CodeInvalidArgument, "either place or planner is needed")
	case o.Place != "" && o.Planner != "":
		return nil, "planner", storage.Errorf(storage.CodeInvalidArgument, "place and planner exclude each other")
	case o.Planner != "" && len(o.Backends) == 0:
		return nil, "backends", storage.Errorf(storage.CodeInvalidArgument, "a planner needs backends to choose among")
	case o.Planner != "":
		return nil, "", nil
	}
	if p, err = expression.CompileText(o.Place); err != nil {
		return nil, "place", err
	}
	if p.Static() && len(o.Backends) > 0 {
		return nil, "backends", storage.Errorf(storage.CodeInvalidArgument, "place depends on the key alone, so an object is nowhere else: leave backends out")
	}
	return p, "", nil
}

// Check implements [Checker].
func (o Custom) Check(kinds func(string) []string) schema.Diagnostics {
	if _, at, err := o.compile(); err != nil {
		return schema.Diagnostics{schema.Errorf(cty.GetAttrPath(at), "Wrong place", "%v.", storage.AsError(err).Err)}
	}
	diags := checkApart("backends", o.Backends, kinds)
	if o.Planner != "" {
		diags = append(diags, checkReplicas("backends", o.Backends, kinds)...)
	}
	return diags
}

// byExpression chooses what an expression says.
type byExpression struct {
	policy  string
	program *expression.Program
	refs    []string
}

func (b *byExpression) index(a expression.Attributes) (int, error) {
	ref, err := b.program.Place(a)
	if err != nil {
		return nowhere, storage.Errorf(storage.CodeInvalidArgument, "policy %q: the expression gives no place for this object: %w", b.policy, err)
	}
	return slices.Index(b.refs, ref), nil
}

func (b *byExpression) place(p placing) (int, error) {
	a := expression.Attributes{Key: p.key, ContentType: p.opts.ContentType, Metadata: p.opts.Metadata, Op: p.op}
	if b.program.Uses("size") {
		var err error
		if a.Size, err = p.size(); err != nil {
			return nowhere, err
		}
	}
	return b.index(a)
}

// create is never asked: an expression leaves no place open.
func (b *byExpression) create(string, bool, func(int) bool) int { return nowhere }
