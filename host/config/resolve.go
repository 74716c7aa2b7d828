package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// ErrUnknownPlugin is what a Describer's Schema wraps when there is no plugin
// of that name, as opposed to one that cannot be asked.
var ErrUnknownPlugin = errors.New("unknown plugin")

// Describer answers for the plugins of a host. It is called from one
// goroutine at a time.
type Describer interface {
	// Schema returns the schema of a plugin's config block.
	Schema(ctx context.Context, plugin string) (*schema.Schema, error)
	// Validate asks a plugin what it makes of a value that conforms to its
	// schema. The paths of its diagnostics start at the config block.
	Validate(ctx context.Context, plugin, backend string, value cty.Value) (schema.Diagnostics, error)
	// Names lists the plugins there are, for suggestions.
	Names() []string
}

// Resolve reads and checks the config block of every backend against the
// schema of its plugin and sets Backend.Schema and Backend.Value.
//
// A plugin that does not exist is an error, unless its transport is child:
// its binary may come later. A plugin that cannot be asked is a warning.
// Both leave Backend.Unresolved set; ResolveBackend tries one again. What is
// wrong with a backend that is not enabled is a warning.
//
// Resolve and ResolveBackend change the backends and must not run at the
// same time as other uses of the Config.
func (c *Config) Resolve(ctx context.Context, describer Describer) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range c.Backends {
		diags = append(diags, c.ResolveBackend(ctx, describer, b)...)
	}
	return diags
}

// ResolveBackend is Resolve for one backend.
func (c *Config) ResolveBackend(ctx context.Context, describer Describer, b *Backend) hcl.Diagnostics {
	r := &resolver{config: c, describer: describer, backend: b}
	b.Schema, b.Value, b.Unresolved = nil, cty.NilVal, nil
	r.resolve(ctx)
	if r.diags.HasErrors() {
		b.Value = cty.NilVal
		if b.Unresolved == nil {
			b.Unresolved = errors.New("its configuration has errors")
		}
	}
	if !b.Enabled {
		for _, diag := range r.diags {
			diag.Severity = hcl.DiagWarning
		}
	}
	return c.doc.seal(r.diags, r.masked...)
}

type resolver struct {
	config    *Config
	describer Describer
	backend   *Backend
	masked    []hcl.Range
	diags     hcl.Diagnostics
}

func (r *resolver) resolve(ctx context.Context) {
	b := r.backend
	s, err := r.describer.Schema(ctx, b.Plugin)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		r.masked = r.config.doc.undescribed
		r.noSchema(err)
		return
	}
	b.Schema = s
	var body *hclsyntax.Body
	at := b.DeclRange
	if b.body != nil {
		body, at = b.body.Body, b.body.DefRange()
	}
	reader := bodyReader{doc: r.config.doc}
	result := reader.decode(body, s, at)
	r.diags, r.masked = reader.diags, reader.masked
	if b.body == nil {
		r.explainNoConfig()
	}
	if r.diags.HasErrors() {
		return
	}
	complaints, err := r.describer.Validate(ctx, b.Plugin, b.Name, result.value)
	if err != nil {
		r.unresolved(hcl.DiagWarning, "Plugin did not answer", err, "It could not check this configuration. The backend stays unavailable until it can.")
		return
	}
	r.complain(complaints, result.source)
	b.Value = result.value
}

// explainNoConfig adds where to write what the plugin requires.
func (r *resolver) explainNoConfig() {
	for _, diag := range r.diags {
		diag.Detail += fmt.Sprintf("\nThe backend %q has no config block yet: add config { … } to it.", r.backend.Name)
	}
}

func (r *resolver) noSchema(err error) {
	if !errors.Is(err, ErrUnknownPlugin) {
		r.unresolved(hcl.DiagWarning, "Plugin cannot be used", err, "The backend stays unavailable until it can.")
		return
	}
	b := r.backend
	r.backend.Unresolved = err
	text := fmt.Sprintf("There is no plugin named %q.", b.Plugin)
	known := slices.DeleteFunc(r.describer.Names(), func(name string) bool { return name == b.Plugin }) // a builtin does not count here
	switch meant := schema.Suggest(b.Plugin, known); {
	case meant != "":
		text += fmt.Sprintf(" Did you mean %q?", meant)
	case len(known) > 0:
		text += " Known plugins: " + strings.Join(slices.Sorted(slices.Values(known)), ", ") + "."
	}
	severity := hcl.DiagError
	switch transport := r.config.Plugin(b.Plugin).Transport; transport {
	case TransportBuiltin:
		text += " With transport = \"builtin\" only the plugins built into the host count."
	case TransportChild:
		severity = hcl.DiagWarning
		text += r.searched() + "\nThe backend stays unavailable until it appears."
	default:
		text += r.searched()
	}
	r.report(severity, "Unknown plugin", text)
}

// searched says where the binary of the plugin was looked for.
func (r *resolver) searched() string {
	binary := "stowage-plugin-" + r.backend.Plugin
	dirs := r.config.Host.PluginDirs
	if len(dirs) == 0 {
		return " No folder is searched for " + binary + ": plugin_dirs in the host block is empty."
	}
	text := "\nThe binary " + binary + " was looked for in:"
	for _, dir := range dirs {
		text += "\n  " + dir
	}
	return text
}

func (r *resolver) unresolved(severity hcl.DiagnosticSeverity, summary string, err error, then string) {
	r.backend.Unresolved = err
	text := r.foreign(err.Error(), maxForeignDetail)
	r.report(severity, summary, fmt.Sprintf("The plugin %q: %s.\n%s", r.backend.Plugin, strings.TrimSuffix(text, "."), then))
}

func (r *resolver) report(severity hcl.DiagnosticSeverity, summary, detail string) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &r.backend.PluginRange})
}

const (
	maxForeignComplaints = 50
	maxForeignSummary    = 120
	maxForeignDetail     = 2000
)

// complain shows what the plugin said, at the lines it means.
func (r *resolver) complain(complaints schema.Diagnostics, src *source) {
	for i, d := range complaints {
		if i == maxForeignComplaints {
			r.report(hcl.DiagWarning, "More complaints", fmt.Sprintf("The plugin has %d further complaints.", len(complaints)-i))
			return
		}
		d.Summary = r.foreign(d.Summary, maxForeignSummary)
		d.Detail = r.foreign(d.Detail, maxForeignDetail)
		if d.Summary == "" {
			d.Summary = fmt.Sprintf("The plugin %q refuses this", r.backend.Plugin)
		}
		r.diags = append(r.diags, diagnosticAt(src.find(d.Path).at, d))
	}
}

// foreign makes the words of a plugin fit to be shown: without secrets,
// control characters and excess.
func (r *resolver) foreign(text string, most int) string {
	text = r.config.doc.secrets.scrub(strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.TrimSpace(text)
}
