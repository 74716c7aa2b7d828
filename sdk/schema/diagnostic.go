package schema

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Severity tells an error from a warning.
type Severity int

// The severities. Their numbers are part of the wire protocol.
const (
	SeverityError   Severity = 1 // the configuration cannot be used
	SeverityWarning Severity = 2 // it can, but the operator should know
)

func (s Severity) String() string {
	if s == SeverityWarning {
		return "Warning"
	}
	return "Error"
}

// Diagnostic is one complaint about a configuration, written for the
// operator. Its text must not quote the value of a sensitive attribute.
type Diagnostic struct {
	Severity Severity
	// Summary names the problem in a few words, without a full stop.
	Summary string
	// Detail says in full sentences what is wrong and what to do.
	Detail string
	// Path is the attribute at fault, which the host shows as file, line and
	// column; an attribute that is missing has a path too. Nil means the
	// whole body.
	Path cty.Path
}

// Errorf makes an error about the attribute at path (nil: the whole body).
func Errorf(path cty.Path, summary, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityError, Summary: summary, Detail: fmt.Sprintf(format, args...), Path: path}
}

// Warningf makes a warning about the attribute at path (nil: the whole body).
func Warningf(path cty.Path, summary, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Path: path}
}

// String writes the diagnostic in one line.
func (d Diagnostic) String() string {
	text := d.Summary
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	if path := FormatPath(d.Path); path != "" {
		text = path + ": " + text
	}
	return text
}

// Diagnostics is a list of complaints. It is empty, or holds only warnings,
// when the configuration is good.
type Diagnostics []Diagnostic

// HasErrors reports whether any of the diagnostics is an error.
func (d Diagnostics) HasErrors() bool {
	for _, diag := range d {
		if diag.Severity != SeverityWarning {
			return true
		}
	}
	return false
}

// Append adds diagnostics to the list.
func (d *Diagnostics) Append(more ...Diagnostic) { *d = append(*d, more...) }

// Error writes all diagnostics, one a line, so that Diagnostics can travel
// as an error; use Err to turn a list into one.
func (d Diagnostics) Error() string {
	lines := make([]string, len(d))
	for i, diag := range d {
		lines[i] = diag.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns the diagnostics as an error if any of them is one, else nil.
func (d Diagnostics) Err() error {
	if !d.HasErrors() {
		return nil
	}
	return d
}
