package config

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// evaluate computes an expression, in which there are functions but no
// variables.
func (d *document) evaluate(expr hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	for _, traversal := range expr.Variables() {
		diags = append(diags, strayWord(traversal))
	}
	diags = append(diags, hugeNumbers(expr)...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	ctx := &hcl.EvalContext{Functions: map[string]function.Function{
		functionEnv:  envFunction(d),
		functionFile: fileFunction(d),
	}}
	value, diags := expr.Value(ctx)
	for _, diag := range diags {
		describeCall(diag)
		diag.Summary = d.secrets.scrub(diag.Summary)
		diag.Detail = d.secrets.scrub(diag.Detail)
	}
	return value, diags
}

// hugeNumbers refuses literals that no float64 comes near: hcl would write
// them out in full, which can take minutes and gigabytes.
func hugeNumbers(expr hclsyntax.Expression) hcl.Diagnostics {
	return hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		literal, ok := node.(*hclsyntax.LiteralValueExpr)
		if !ok || literal.Val.IsNull() || literal.Val.Type() != cty.Number {
			return nil
		}
		n := literal.Val.AsBigFloat()
		if exponent := n.MantExp(nil); !n.IsInf() && exponent > -maxExponent && exponent < maxExponent {
			return nil
		}
		return hcl.Diagnostics{errorAt(literal.SrcRange, "Number out of range", "No setting takes a number of this magnitude.")}
	})
}

const maxExponent = 1000 // as a power of two, about 1e301

func strayWord(traversal hcl.Traversal) *hcl.Diagnostic {
	word := traversal.RootName()
	switch word {
	case "backend", "policy":
		return errorAt(traversal.SourceRange(), "No reference possible here", "References to backends and policies can only be given to the attributes of policies and routes that take one.")
	case "yes", "on", "no", "off":
		return errorAt(traversal.SourceRange(), "Unknown word", "%q means nothing here: write true or false.", word)
	}
	return errorAt(traversal.SourceRange(), "Unknown word", "%q means nothing here. Text must be in quotes: %q.", word, word)
}

// callProblem is the error of one of our functions, in the words for the
// operator.
type callProblem struct {
	summary string
	detail  string
}

func (p *callProblem) Error() string { return p.detail }

// describeCall improves what hcl says about a failed call.
func describeCall(diag *hcl.Diagnostic) {
	if unknown, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](diag); ok {
		name := unknown.CalledFunctionName()
		diag.Summary = "Unknown function"
		diag.Detail = "There is no function " + name + "()."
		if meant := schema.Suggest(name, functionNames()); meant != "" {
			diag.Detail += " Did you mean " + meant + "()?"
		} else {
			diag.Detail += " The functions are " + strings.Join(functionNames(), "() and ") + "()."
		}
		return
	}
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag); ok {
		var problem *callProblem
		if errors.As(call.FunctionCallError(), &problem) {
			diag.Summary, diag.Detail = problem.summary, problem.detail
			if diag.Context != nil {
				diag.Subject = diag.Context // the whole call
			}
		}
	}
}
