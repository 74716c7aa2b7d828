package expression

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Attributes are what an expression may choose by. Strings may hold any bytes.
type Attributes struct {
	Key         string
	Size        int64 // in bytes
	ContentType string
	// Metadata has lower-case names. It is only read.
	Metadata map[string]string
	Op       string
}

// Program is a compiled expression. It has no state and may be used by any
// number of goroutines.
type Program struct {
	source string
	root   *choice
	refs   []Reference
	uses   []string
}

// Reference is a reference in the source of an expression.
type Reference struct {
	// Target is "backend.NAME" or "policy.NAME".
	Target string
	Range  hcl.Range
}

// choice is a reference, or a condition with what follows from it.
type choice struct {
	ref     string
	when    func(*frame) bool
	yes, no *choice
}

// frame is one evaluation.
type frame struct {
	Attributes
	err error
}

// Place returns the reference that the expression chooses: one of Refs. The
// error is one that a person should read, about an expression that has no value
// for this object.
func (p *Program) Place(a Attributes) (string, error) {
	f := frame{Attributes: a}
	at := p.root
	for at.when != nil {
		holds := at.when(&f)
		switch {
		case f.err != nil:
			return "", f.err
		case holds:
			at = at.yes
		default:
			at = at.no
		}
	}
	return at.ref, nil
}

// Refs returns the references of the expression in the order of the source,
// each once.
func (p *Program) Refs() []string {
	var refs []string
	for _, r := range p.refs {
		if !slices.Contains(refs, r.Target) {
			refs = append(refs, r.Target)
		}
	}
	return refs
}

// References returns all references in the order of the source, and where each
// of them stands.
func (p *Program) References() []Reference { return slices.Clone(p.refs) }

// Uses reports whether the expression depends on a variable: "key", "size",
// "content_type", "metadata" or "op".
func (p *Program) Uses(variable string) bool { return slices.Contains(p.uses, variable) }

// Static reports whether the expression depends on nothing but the key, so that
// a read can compute where a write went.
func (p *Program) Static() bool {
	return !slices.ContainsFunc(p.uses, func(name string) bool { return name != variableKey })
}

// String returns the source.
func (p *Program) String() string { return p.source }
