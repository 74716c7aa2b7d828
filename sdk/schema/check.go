package schema

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

const (
	maxBlockDepth = 8
	maxNameLength = 64
)

// Check reports whether a schema makes sense: names are unique identifiers
// of at most 64 bytes, types are known, patterns compile, defaults satisfy
// their own attribute, blocks nest at most eight deep. Reflect has checked
// what it returns; check one that came from elsewhere, such as the wire,
// before any other use.
func (s *Schema) Check() error { return s.check(0) }

// CheckForPlugin reports whether a schema uses what has a meaning in the host's
// own blocks alone: references and expressions. A plugin's schema must not.
func (s *Schema) CheckForPlugin() error {
	for i := range s.Attributes {
		switch a := &s.Attributes[i]; {
		case a.Ref:
			return fmt.Errorf("attribute %q: ref is for the policies of the host, which alone knows its backends", a.Name)
		case a.Expr:
			return fmt.Errorf("attribute %q: expr is for the policies of the host, which alone evaluates expressions", a.Name)
		}
	}
	for i := range s.Blocks {
		if err := s.Blocks[i].Body.CheckForPlugin(); err != nil {
			return fmt.Errorf("block %q: %w", s.Blocks[i].Name, err)
		}
	}
	return nil
}

func (s *Schema) check(depth int) error {
	if depth > maxBlockDepth {
		return fmt.Errorf("blocks are nested more than %d deep", maxBlockDepth)
	}
	names := s.Names()
	for i, name := range names {
		if !isName(name) {
			return fmt.Errorf("%.80q is not a name: want a letter or _, then letters, digits, _ or -, at most %d in all", name, maxNameLength)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("the name %q is used twice", name)
		}
	}
	for i := range s.Attributes {
		if err := s.Attributes[i].check(); err != nil {
			return fmt.Errorf("attribute %q: %w", s.Attributes[i].Name, err)
		}
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if b.Nesting != NestingSingle && b.Nesting != NestingList && b.Nesting != NestingMap {
			return fmt.Errorf("block %q: unknown nesting %q", b.Name, b.Nesting)
		}
		if b.MaxItems < 0 || b.MaxItems > 0 && b.Nesting == NestingSingle {
			return fmt.Errorf("block %q: a bound of %d items makes no sense", b.Name, b.MaxItems)
		}
		if err := b.Body.check(depth + 1); err != nil {
			return fmt.Errorf("block %q: %w", b.Name, err)
		}
	}
	return nil
}

func (a *Attribute) check() error {
	if _, err := ParseType(string(a.Type)); err != nil {
		return err
	}
	scalar := a.Type.scalar()
	text := scalar == String
	switch {
	case (a.Path || a.Ref) && !text:
		return fmt.Errorf("path and ref are for strings, not for %s", a.Type)
	case a.Path && a.Type != String && a.Type != ListOf(String):
		return fmt.Errorf("path is for strings and lists of strings, not for %s", a.Type)
	case a.Ref && a.Type.Elem() != String:
		return fmt.Errorf("ref is for strings, lists and maps of strings, not for %s", a.Type)
	case a.Path && a.Ref:
		return errors.New("path and ref exclude each other")
	case a.Expr && a.Type != String:
		return fmt.Errorf("expr is for strings, not for %s", a.Type)
	case a.Expr && (a.Path || a.Ref || a.Sensitive || a.Enum != nil || a.Pattern != "" || a.Default != cty.NilVal):
		return errors.New("expr excludes path, ref, sensitive, enum, pattern and default")
	case a.Enum != nil && !text:
		return fmt.Errorf("enum is for strings, not for %s", a.Type)
	case a.Pattern != "" && !text:
		return fmt.Errorf("pattern is for strings, not for %s", a.Type)
	case (a.Min != nil || a.Max != nil) && (text || scalar == Bool):
		return fmt.Errorf("min and max are for numbers, durations and sizes, not for %s", a.Type)
	case !finite(a.Min) || !finite(a.Max):
		return errors.New("min and max must be finite numbers")
	case a.Min != nil && a.Max != nil && *a.Min > *a.Max:
		return errors.New("min is over max")
	}
	if _, err := regexp.Compile(a.Pattern); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	return a.checkDefault()
}

func (a *Attribute) checkDefault() error {
	switch {
	case a.Default == cty.NilVal:
		return nil
	case a.Required:
		return errors.New("a required attribute has no use for a default")
	case a.Default.IsNull() || !a.Default.Type().Equals(a.Type.CtyType()):
		return fmt.Errorf("the default is not of type %s", a.Type)
	}
	if _, diags := a.accept(a.Default, nil); diags.HasErrors() {
		return fmt.Errorf("default: %w", diags)
	}
	return nil
}

func finite(bound *float64) bool {
	return bound == nil || !math.IsNaN(*bound) && !math.IsInf(*bound, 0)
}

func isName(name string) bool {
	if name == "" || len(name) > maxNameLength {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}
