package config

import (
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// document is the source of a configuration with what must not be shown of
// it.
type document struct {
	filename  string
	src       []byte
	dir       string
	nav       any // hcl's navigation of the file, to name the block around a line
	lookupEnv func(string) (string, bool)

	// secrets are results of env() and file(), and sensitive values.
	secrets secrets
	// masked are the expressions of attributes that are or may be sensitive.
	masked []hcl.Range
	// undescribed are those of config blocks whose schema is not known yet.
	undescribed []hcl.Range
}

func newDocument(filename string, src []byte, dir string, opts Options) *document {
	d := &document{filename: filename, src: src, dir: dir, lookupEnv: opts.LookupEnv}
	if d.lookupEnv == nil {
		d.lookupEnv = os.LookupEnv
	}
	return d
}

// literalsIn returns the parts of an expression that spell a value out. A
// call of env() or file(), also a misspelt one, does not.
func literalsIn(expr hclsyntax.Expression) []hcl.Range {
	switch expr := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		var ranges []hcl.Range
		for _, elem := range expr.Exprs {
			ranges = append(ranges, literalsIn(elem)...)
		}
		return ranges
	case *hclsyntax.FunctionCallExpr:
		if isFunction(expr.Name) || schema.Suggest(expr.Name, functionNames()) != "" {
			return nil
		}
	}
	return []hcl.Range{expr.Range()}
}

// allLiteralsIn returns those of a body and of the blocks in it.
func allLiteralsIn(body *hclsyntax.Body) []hcl.Range {
	var ranges []hcl.Range
	for _, attr := range body.Attributes {
		ranges = append(ranges, literalsIn(attr.Expr)...)
	}
	for _, block := range body.Blocks {
		ranges = append(ranges, allLiteralsIn(block.Body)...)
	}
	return ranges
}
