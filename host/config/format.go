package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// detailWidth is the column at which the text of a diagnostic is wrapped.
const detailWidth = 78

// FormatDiagnostics writes diagnostics of this package for a person: what,
// where as file:line:column, the source line, and what to do. The text is the
// same whatever the terminal.
func FormatDiagnostics(diags hcl.Diagnostics) string { return render(diags, false) }

// WriteDiagnostics writes what FormatDiagnostics returns, in color if asked
// for.
func WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, color bool) error {
	_, err := io.WriteString(w, render(diags, color))
	return err
}

func render(diags hcl.Diagnostics, color bool) string {
	var out strings.Builder
	for i, diag := range diags {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeDiagnostic(&out, diag, color)
	}
	return out.String()
}

func writeDiagnostic(out *strings.Builder, diag *hcl.Diagnostic, color bool) {
	severity, paint := "Error", "\x1b[1;31m"
	if diag.Severity == hcl.DiagWarning {
		severity, paint = "Warning", "\x1b[1;33m"
	}
	if color {
		severity = paint + severity + "\x1b[0m"
	}
	fmt.Fprintf(out, "%s: %s\n\n", severity, diag.Summary)
	if diag.Subject != nil && diag.Subject.Start.Line > 0 {
		fmt.Fprintf(out, "  on %s:%d:%d", diag.Subject.Filename, diag.Subject.Start.Line, diag.Subject.Start.Column)
		source, ok := diag.Extra.(*excerpt)
		if ok && source.block != "" {
			fmt.Fprintf(out, ", in %s", source.block)
		}
		out.WriteString(":\n")
		if ok {
			out.WriteString(source.String())
		}
		out.WriteByte('\n')
	}
	if diag.Detail != "" {
		out.WriteString(wordwrap.WrapString(diag.Detail, detailWidth) + "\n")
	}
}
