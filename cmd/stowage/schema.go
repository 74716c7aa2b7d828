package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// attributeJSON is an attribute as --json prints it. Bounds of durations are in
// seconds, those of sizes in bytes.
type attributeJSON struct {
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Required  bool            `json:"required"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Default   json.RawMessage `json:"default,omitempty"`
	Enum      []string        `json:"enum,omitempty"`
	Min       *float64        `json:"min,omitempty"`
	Max       *float64        `json:"max,omitempty"`
	Pattern   string          `json:"pattern,omitempty"`
	Doc       string          `json:"doc,omitempty"`
}

type schemaJSON struct {
	Doc        string                `json:"doc,omitempty"`
	Nesting    schema.Nesting        `json:"nesting,omitempty"`
	Required   bool                  `json:"required,omitempty"`
	Attributes []attributeJSON       `json:"attributes"`
	Blocks     map[string]schemaJSON `json:"blocks,omitempty"`
}

func describeSchema(s *schema.Schema) schemaJSON {
	out := schemaJSON{Doc: s.Doc, Attributes: []attributeJSON{}}
	for i := range s.Attributes {
		at := &s.Attributes[i]
		described := attributeJSON{
			Name: at.Name, Type: at.Form(), Required: at.Required, Sensitive: at.Sensitive,
			Enum: at.Enum, Min: at.Min, Max: at.Max, Pattern: at.Pattern, Doc: at.Doc,
		}
		if at.Default != cty.NilVal {
			described.Default, _ = ctyjson.Marshal(at.Default, at.Type.CtyType()) // the schema was checked: it is of this type
		}
		out.Attributes = append(out.Attributes, described)
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if out.Blocks == nil {
			out.Blocks = make(map[string]schemaJSON)
		}
		body := describeSchema(&b.Body)
		body.Doc, body.Nesting, body.Required = b.Doc, b.Nesting, b.Required
		out.Blocks[b.Name] = body
	}
	return out
}

func (a *app) printSchema(s *schema.Schema) {
	if len(s.Names()) == 0 {
		fmt.Fprintln(a.stdout, "It has nothing to configure.")
		return
	}
	t := a.table("ATTRIBUTE", "TYPE", "DEFAULT", "DESCRIPTION")
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "DESCRIPTION", WidthMax: 64, WidthMaxEnforcer: text.WrapSoft}})
	appendSchema(t, s, "")
	t.Render()
}

func appendSchema(t table.Writer, s *schema.Schema, within string) {
	for i := range s.Attributes {
		at := &s.Attributes[i]
		given, doc := at.DefaultText(), sentences(at.Doc, at.Limits())
		if at.Required {
			given = "required"
		}
		if at.Sensitive {
			doc = sentences(doc, "A secret: never shown.")
		}
		t.AppendRow(table.Row{within + at.Name, at.Form(), harmless(given), doc})
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		name, given := within+b.Name, ""
		if b.Nesting == schema.NestingMap {
			name += ` "NAME"`
		}
		if b.Required {
			given = "required"
		}
		t.AppendRow(table.Row{name + " { }", "block", given, sentences(b.Doc)})
		appendSchema(t, &b.Body, within+b.Name+".")
	}
}

func sentences(parts ...string) string {
	return harmless(strings.TrimSpace(strings.Join(parts, " ")))
}
