package schema

import (
	"github.com/zclconf/go-cty/cty"
)

// Schema describes one body of configuration: its attributes and its nested
// blocks, each in the order of the fields of the struct it was reflected
// from. The zero Schema is a body that must be empty. A Schema is not changed
// by any method and may be shared between goroutines.
type Schema struct {
	Doc        string
	Attributes []Attribute
	Blocks     []Block
}

// Attribute describes one `name = value` of a body.
//
// Enum, Min, Max and Pattern hold for the value itself or, in lists and maps,
// for every element.
type Attribute struct {
	Name string
	Type Type

	// Required attributes must be given; others are null or Default.
	Required bool
	// Default is the value of an attribute that is not given, of
	// Type.CtyType(). cty.NilVal means none.
	Default cty.Value

	// Sensitive values appear in no diagnostic and in no dump.
	Sensitive bool
	// Path marks a file or directory; the host makes it absolute against the
	// directory of the configuration file. Of type string or list(string).
	Path bool
	// Ref marks a reference to a backend or a policy, decoded as the string
	// "backend.NAME" or "policy.NAME". Of type string, list(string) or
	// map(string).
	Ref bool
	// Expr marks an expression that is evaluated later, for each object, and
	// not when the configuration is read: the value is its source text. Of type
	// string.
	Expr bool

	// Enum lists the values allowed, nil for any. Only for strings.
	Enum []string
	// Min and Max are inclusive bounds of a number, a duration (in seconds)
	// or a size (in bytes); nil for none. Durations and sizes are never
	// negative unless Min allows it.
	Min, Max *float64
	// Pattern is a regular expression (RE2) that strings must match, "" for
	// none. It is unanchored: write ^ and $.
	Pattern string

	// Doc says in a sentence or two what the attribute is for.
	Doc string
}

// Nesting says how often a block may occur.
type Nesting string

// The nestings. Their spelling is part of the wire protocol.
const (
	NestingSingle Nesting = "single" // at most once; an object, or null
	NestingList   Nesting = "list"   // any number of times; a list in source order
	NestingMap    Nesting = "map"    // any number of times, each with its own label; a map
)

// Block describes a nested block.
type Block struct {
	Name    string
	Nesting Nesting
	// Required blocks must occur at least once.
	Required bool
	// MaxItems bounds a list or map; 0 means no bound.
	MaxItems int
	Doc      string
	Body     Schema
}

// CtyType returns the object type of a validated body: every attribute and
// block of the schema is present, those not given being null (an attribute, a
// single block) or empty (a list or map of blocks).
func (s *Schema) CtyType() cty.Type {
	types := make(map[string]cty.Type, len(s.Attributes)+len(s.Blocks))
	for _, a := range s.Attributes {
		types[a.Name] = a.Type.CtyType()
	}
	for i := range s.Blocks {
		types[s.Blocks[i].Name] = s.Blocks[i].ctyType()
	}
	return cty.Object(types)
}

func (b *Block) ctyType() cty.Type {
	body := b.Body.CtyType()
	switch b.Nesting {
	case NestingList:
		return cty.List(body)
	case NestingMap:
		return cty.Map(body)
	default:
		return body
	}
}

// Attribute returns the attribute of that name, or nil.
func (s *Schema) Attribute(name string) *Attribute {
	for i := range s.Attributes {
		if s.Attributes[i].Name == name {
			return &s.Attributes[i]
		}
	}
	return nil
}

// Block returns the block of that name, or nil.
func (s *Schema) Block(name string) *Block {
	for i := range s.Blocks {
		if s.Blocks[i].Name == name {
			return &s.Blocks[i]
		}
	}
	return nil
}

// Names returns the names of all attributes, then those of all blocks.
func (s *Schema) Names() []string {
	names := make([]string, 0, len(s.Attributes)+len(s.Blocks))
	for i := range s.Attributes {
		names = append(names, s.Attributes[i].Name)
	}
	for i := range s.Blocks {
		names = append(names, s.Blocks[i].Name)
	}
	return names
}
