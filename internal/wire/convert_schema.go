package wire

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// Bounds of a schema that a plugin may send.
const (
	maxSchemaDepth = 16   // of nested blocks
	maxSchemaNames = 1000 // attributes and blocks, at all depths together
)

func schemaToProto(s *schema.Schema) (*pluginv1.Schema, error) {
	out := &pluginv1.Schema{Doc: s.Doc}
	for _, a := range s.Attributes {
		p := &pluginv1.Attribute{
			Name: a.Name, Type: a.Type.String(), Required: a.Required, Sensitive: a.Sensitive, Path: a.Path,
			Enum: a.Enum, Min: a.Min, Max: a.Max, Pattern: a.Pattern, Doc: a.Doc,
		}
		if a.Default != cty.NilVal {
			raw, err := ctyjson.Marshal(a.Default, a.Type.CtyType())
			if err != nil {
				return nil, fmt.Errorf("default of %q: %w", a.Name, err)
			}
			p.DefaultJson = raw
		}
		out.Attributes = append(out.Attributes, p)
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		body, err := schemaToProto(&b.Body)
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", b.Name, err)
		}
		out.Blocks = append(out.Blocks, &pluginv1.Block{
			Name: b.Name, Nesting: nestingToProto(b.Nesting), Required: b.Required, MaxItems: uint32(max(0, min(b.MaxItems, math.MaxInt32))), Doc: b.Doc, Body: body,
		})
	}
	return out, nil
}

// schemaFromProto also checks what a host relies on, since the schema comes
// from somebody else's program.
func schemaFromProto(p *pluginv1.Schema) (*schema.Schema, error) {
	if n := countNames(p, 0); n > maxSchemaNames {
		return nil, fmt.Errorf("it has more than %d attributes and blocks, or blocks nest too deep", maxSchemaNames)
	}
	out, err := bodyFromProto(p)
	if err != nil {
		return nil, err
	}
	return out, out.Check()
}

// countNames counts attributes and blocks, at all depths; too deep is too many.
func countNames(p *pluginv1.Schema, depth int) int {
	if depth > maxSchemaDepth {
		return maxSchemaNames + 1
	}
	n := len(p.GetAttributes()) + len(p.GetBlocks())
	for _, b := range p.GetBlocks() {
		if n > maxSchemaNames {
			break
		}
		n += countNames(b.GetBody(), depth+1)
	}
	return n
}

func bodyFromProto(p *pluginv1.Schema) (*schema.Schema, error) {
	out := &schema.Schema{Doc: p.GetDoc()}
	for _, a := range p.GetAttributes() {
		attribute, err := attributeFromProto(a)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.GetName(), err)
		}
		out.Attributes = append(out.Attributes, attribute)
	}
	for _, b := range p.GetBlocks() {
		nesting, err := nestingFromProto(b.GetNesting())
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", b.GetName(), err)
		}
		body, err := bodyFromProto(b.GetBody())
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", b.GetName(), err)
		}
		out.Blocks = append(out.Blocks, schema.Block{
			Name: b.GetName(), Nesting: nesting, Required: b.GetRequired(), MaxItems: int(min(b.GetMaxItems(), math.MaxInt32)), Doc: b.GetDoc(), Body: *body,
		})
	}
	return out, nil
}

func attributeFromProto(p *pluginv1.Attribute) (schema.Attribute, error) {
	a := schema.Attribute{
		Name: p.GetName(), Required: p.GetRequired(), Sensitive: p.GetSensitive(), Path: p.GetPath(),
		Enum: p.GetEnum(), Min: p.Min, Max: p.Max, Pattern: p.GetPattern(), Doc: p.GetDoc(),
	}
	var err error
	if a.Type, err = schema.ParseType(p.GetType()); err != nil {
		return a, err
	}
	if len(p.GetDefaultJson()) > 0 {
		if a.Default, err = ctyjson.Unmarshal(p.GetDefaultJson(), a.Type.CtyType()); err != nil {
			return a, fmt.Errorf("default: %w", err)
		}
	}
	return a, nil
}

func nestingToProto(n schema.Nesting) pluginv1.Block_Nesting {
	switch n {
	case schema.NestingList:
		return pluginv1.Block_NESTING_LIST
	case schema.NestingMap:
		return pluginv1.Block_NESTING_MAP
	default:
		return pluginv1.Block_NESTING_SINGLE
	}
}

func nestingFromProto(n pluginv1.Block_Nesting) (schema.Nesting, error) {
	switch n {
	case pluginv1.Block_NESTING_SINGLE:
		return schema.NestingSingle, nil
	case pluginv1.Block_NESTING_LIST:
		return schema.NestingList, nil
	case pluginv1.Block_NESTING_MAP:
		return schema.NestingMap, nil
	default:
		return "", fmt.Errorf("nesting %v is unknown", n)
	}
}

func diagnosticsToProto(diags schema.Diagnostics) []*pluginv1.Diagnostic {
	out := make([]*pluginv1.Diagnostic, 0, len(diags))
	for _, d := range diags {
		p := &pluginv1.Diagnostic{Severity: pluginv1.Diagnostic_SEVERITY_ERROR, Summary: d.Summary, Detail: d.Detail}
		if d.Severity == schema.SeverityWarning {
			p.Severity = pluginv1.Diagnostic_SEVERITY_WARNING
		}
		for _, step := range d.Path {
			p.Path = append(p.Path, stepToProto(step))
		}
		out = append(out, p)
	}
	return out
}

func stepToProto(step cty.PathStep) *pluginv1.Diagnostic_Step {
	switch step := step.(type) {
	case cty.GetAttrStep:
		return &pluginv1.Diagnostic_Step{Step: &pluginv1.Diagnostic_Step_Attribute{Attribute: step.Name}}
	case cty.IndexStep:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return &pluginv1.Diagnostic_Step{Step: &pluginv1.Diagnostic_Step_Key{Key: step.Key.AsString()}}
		}
		if step.Key.Type() == cty.Number && step.Key.IsKnown() && !step.Key.IsNull() {
			i, _ := step.Key.AsBigFloat().Int64()
			return &pluginv1.Diagnostic_Step{Step: &pluginv1.Diagnostic_Step_Index{Index: i}}
		}
	}
	return &pluginv1.Diagnostic_Step{}
}

func diagnosticsFromProto(diags []*pluginv1.Diagnostic) schema.Diagnostics {
	var out schema.Diagnostics
	for _, p := range diags {
		d := schema.Diagnostic{Severity: schema.SeverityError, Summary: p.GetSummary(), Detail: p.GetDetail()}
		if p.GetSeverity() == pluginv1.Diagnostic_SEVERITY_WARNING {
			d.Severity = schema.SeverityWarning
		}
		for _, step := range p.GetPath() {
			switch step := step.GetStep().(type) {
			case *pluginv1.Diagnostic_Step_Attribute:
				d.Path = append(d.Path, cty.GetAttrStep{Name: step.Attribute})
			case *pluginv1.Diagnostic_Step_Index:
				d.Path = append(d.Path, cty.IndexStep{Key: cty.NumberIntVal(step.Index)})
			case *pluginv1.Diagnostic_Step_Key:
				d.Path = append(d.Path, cty.IndexStep{Key: cty.StringVal(step.Key)})
			}
		}
		out = append(out, d)
	}
	return out
}

// checkConfig reports a configuration that is no JSON object of a bearable
// size.
func checkConfig(config []byte) error {
	if len(config) > maxConfigBytes {
		return fmt.Errorf("the configuration has %d bytes; at most %d are allowed", len(config), maxConfigBytes)
	}
	if !json.Valid(config) {
		return fmt.Errorf("the configuration is not JSON")
	}
	return nil
}
