package config

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// seal prepares diagnostics to leave the package: in the order of the file,
// with the source line attached, and without the expressions and the
// evaluation context that hcl would print values from.
func (d *document) seal(diags hcl.Diagnostics, masked ...hcl.Range) hcl.Diagnostics {
	hidden := slices.Concat(d.masked, masked)
	for _, diag := range diags {
		diag.Expression, diag.EvalContext, diag.Extra = nil, nil, nil
		if diag.Subject != nil && d.src != nil {
			diag.Extra = d.excerpt(*diag.Subject, hidden)
		}
	}
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return cmp.Compare(startOf(a), startOf(b)) })
	return diags
}

func startOf(diag *hcl.Diagnostic) int {
	if diag.Subject == nil {
		return -1
	}
	return diag.Subject.Start.Byte
}

// secretAttribute recognises, where a file cannot be parsed and no schema
// helps, a line that is likely to assign a secret.
var secretAttribute = regexp.MustCompile(`(?im)^[^\n=]*(?:key|secret|token|pass|cred|auth|dsn|url)[^\n=]*=[ \t]*(\S.*)$`)

func (d *document) maskLikelySecrets() {
	for _, match := range secretAttribute.FindAllSubmatchIndex(d.src, -1) {
		d.masked = append(d.masked, hcl.Range{
			Filename: d.filename,
			Start:    hcl.Pos{Byte: match[2]},
			End:      hcl.Pos{Byte: match[3]},
		})
	}
}
