package nodes

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// numbersOf is the object of the selected amounts.
func numbersOf(selects *document.Selection, amounts map[string]int64) ast.Value {
	return document.SelectedOf(amounts, selects, func(_ string, n int64) ast.Value { return document.Integer(n) })
}

// textsOf is the object of the selected texts.
func textsOf(selects *document.Selection, texts map[string]string) ast.Value {
	return document.SelectedOf(texts, selects, func(_, text string) ast.Value { return ast.String(text) })
}
