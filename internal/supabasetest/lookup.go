package supabasetest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// call is what a request says about the function it wants.
type call struct {
	schema, name string
	arguments    []string // names, sorted
	contentType  string   // without parameters
	post         bool
}

// unnamedTypes are the types of a single parameter without a name that takes a
// whole body of a content type.
var unnamedTypes = map[string][]string{
	"application/json":         {"json", "jsonb"},
	"text/plain":               {"text"},
	"text/xml":                 {"xml"},
	"application/octet-stream": {"bytea"},
}

// raw says that the body is not JSON, so that no parameter has a name in it.
func (c call) raw() bool {
	return c.post && c.contentType != "application/json" && unnamedTypes[c.contentType] != nil
}

// find chooses a function: one whose parameters have the names of the arguments,
// else one that takes the whole body.
func (s *schemaCache) find(c call) (*function, error) {
	var named, whole, sameName []*function
	for _, f := range s.functions[c.name] {
		if f.schema != c.schema {
			continue
		}
		sameName = append(sameName, f)
		switch {
		case f.takes(c):
			named = append(named, f)
		case f.takesWhole(c):
			whole = append(whole, f)
		}
	}
	candidates := named
	if len(candidates) == 0 {
		candidates = whole
	}
	switch len(candidates) {
	case 1:
		return candidates[0], nil
	case 0:
		return nil, s.notFound(c, sameName)
	}
	return nil, ambiguous(candidates)
}

func (f *function) takes(c call) bool {
	if len(f.parameters) == 0 {
		return len(c.arguments) == 0 && !c.raw()
	}
	for _, p := range f.parameters {
		if p.required && (p.name == "" || !slices.Contains(c.arguments, p.name)) {
			return false
		}
	}
	for _, argument := range c.arguments {
		if !slices.ContainsFunc(f.parameters, func(p parameter) bool { return p.name == argument }) {
			return false
		}
	}
	return !c.raw()
}

func (f *function) takesWhole(c call) bool {
	return c.post && len(f.parameters) == 1 && f.parameters[0].name == "" &&
		slices.Contains(unnamedTypes[c.contentType], f.parameters[0].typeName)
}

func ambiguous(candidates []*function) restError {
	var signatures []string
	for _, f := range candidates {
		var parameters []string
		for _, p := range f.parameters {
			parameters = append(parameters, p.name+" => "+p.typeName)
		}
		signatures = append(signatures, fmt.Sprintf("%s.%s(%s)", f.schema, f.name, strings.Join(parameters, ", ")))
	}
	return restError{
		status: http.StatusMultipleChoices, Code: "PGRST203",
		Message: "Could not choose the best candidate function between: " + strings.Join(signatures, ", "),
		Hint:    text("Try renaming the parameters or the function itself in the database so function overloading can be resolved"),
	}
}

func (s *schemaCache) notFound(c call, sameName []*function) restError {
	function := c.schema + "." + c.name
	listed := strings.Join(c.arguments, ", ")
	message, searched := " without parameters", " without parameters"
	if len(c.arguments) > 0 {
		message = "(" + listed + ")"
		searched = " with parameter " + listed
		if len(c.arguments) > 1 {
			searched = " with parameters " + listed
		}
	}
	hint := s.similar(c, sameName)
	switch {
	case c.raw():
		message, hint = "", ""
		searched = " with a single unnamed " + unnamedTypes[c.contentType][0] + " parameter"
	case c.post:
		searched += " or with a single unnamed json/jsonb parameter"
	}
	return restError{
		status: http.StatusNotFound, Code: "PGRST202",
		Message: "Could not find the function " + function + message + " in the schema cache",
		Details: text("Searched for the function " + function + searched + ", but no matches were found in the schema cache."),
		Hint:    text(hint),
	}
}

// similar suggests a function of nearly that name, or the nearest parameters if
// the name exists. PostgREST measures nearness in another way, so the choice may
// differ.
func (s *schemaCache) similar(c call, sameName []*function) string {
	const nearName, nearParameters = 0.75, 0.33
	best, choice := nearParameters, ""
	wanted := "(" + strings.Join(c.arguments, ", ") + ")"
	for _, f := range sameName {
		var names []string
		for _, p := range f.parameters {
			names = append(names, p.name)
		}
		slices.Sort(names)
		have := "(" + strings.Join(names, ", ") + ")"
		if near := levenshtein.Similarity(wanted, have, nil); near >= best {
			best, choice = near, c.name+have
		}
	}
	if len(sameName) == 0 {
		best = nearName
		for name, functions := range s.functions {
			if !slices.ContainsFunc(functions, func(f *function) bool { return f.schema == c.schema }) {
				continue
			}
			near := levenshtein.Similarity(c.name, name, nil)
			if near > best || near == best && (choice == "" || name < choice) {
				best, choice = near, name
			}
		}
	}
	if choice == "" {
		return ""
	}
	return "Perhaps you meant to call the function " + c.schema + "." + choice
}
