package evaluator

import (
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// program is a plan turned into Go functions. It does not change and is shared
// by all evaluations. It holds on to nothing of the compiler.
type program struct {
	outline
	main *function
	// dynamic finds rules by the path in a CallDynamicStmt.
	dynamic *pathNode
	// lengthy says that the program calls a builtin function that may take long and does
	// not end with the context.
	lengthy bool
	// wholeInput says that input is read in other ways than by paths of names.
	wholeInput bool
	// indexes are the rules whose index functions ask.
	indexes []ast.Ref
}

// pathNode is a step of the tree that CallDynamicStmt walks.
type pathNode struct {
	children map[string]*pathNode
	function *function
}

func (n *pathNode) add(path []string, f *function) {
	for _, name := range path {
		child := n.children[name]
		if child == nil {
			child = &pathNode{children: map[string]*pathNode{}}
			n.children[name] = child
		}
		n = child
	}
	n.function = f
}

func newMachinePool(p *program, indexes []*ruleIndex) *sync.Pool {
	return &sync.Pool{New: func() any {
		return newMachine(&p.outline, indexes)
	}}
}
