package schema_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

func TestParseType(t *testing.T) {
	for _, text := range []string{"string", "bool", "number", "integer", "duration", "bytes", "list(string)", "map(list(bytes))"} {
		got, err := schema.ParseType(text)
		if err != nil || got.String() != text {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	deep := strings.Repeat("list(", 100) + "string" + strings.Repeat(")", 100)
	for _, text := range []string{"", "int", "list", "list()", "list(string", "list(string))", "set(string)", "list( string )", deep} {
		if got, err := schema.ParseType(text); err == nil {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func TestCheckRefusesASchemaNoStructHas(t *testing.T) {
	str := schema.Attribute{Name: "a", Type: schema.String}
	nested := schema.Schema{}
	for range 20 {
		nested = schema.Schema{Blocks: []schema.Block{{Name: "b", Nesting: schema.NestingSingle, Body: nested}}}
	}
	tests := []struct {
		name   string
		schema schema.Schema
		want   string
	}{
		{"unknown type", schema.Schema{Attributes: []schema.Attribute{{Name: "a", Type: "thing"}}}, "unknown attribute type"},
		{"attribute and block of one name", schema.Schema{Attributes: []schema.Attribute{str}, Blocks: []schema.Block{{Name: "a", Nesting: schema.NestingList}}}, "used twice"},
		{"unknown nesting", schema.Schema{Blocks: []schema.Block{{Name: "b", Nesting: "set"}}}, "unknown nesting"},
		{"negative bound", schema.Schema{Blocks: []schema.Block{{Name: "b", Nesting: schema.NestingList, MaxItems: -1}}}, "makes no sense"},
		{"default of another type", schema.Schema{Attributes: []schema.Attribute{{Name: "a", Type: schema.String, Default: cty.True}}}, "not of type string"},
		{"bottomless", nested, "nested more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.schema.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
