package evaluator

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerSprintf is the form for a sprintf whose format is known, and the array that is made
// for it: the array of its arguments is not made.
func lowerSprintf(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	array, elements, used := sc.arrayElements(stmts)
	if used == 0 || used == len(stmts) || sc.Uses[array] != len(elements)+1 {
		return nil, 0
	}
	call, ok := stmts[used].(*ir.CallStmt)
	if !ok || call.Func != ast.Sprintf.Name {
		return nil, 0
	}
	if s := sc.sprintf(call, array, elements); s != nil {
		return s, used + 1
	}
	return nil, 0
}

func (sc *scope) sprintf(call *ir.CallStmt, array ir.Local, elements []operand) statement {
	if len(call.Args) != 2 || call.Args[1].Value != array {
		return nil
	}
	template := sc.operand(call.Args[0])
	if template.value == nil {
		return nil
	}
	text, ok := template.value.Value.(ast.String)
	if !ok {
		return nil
	}
	parsed := parseFormat(string(text))
	if parsed == nil || len(parsed.verbs) != len(elements) {
		return nil
	}
	general, ok := sc.builtinCall(call, sc.operands(call.Args))
	if !ok {
		return nil
	}
	slot, result := int(array), int(call.Result)
	return func(m *machine, f frame) code {
		b := &m.builtins
		b.operands = b.operands[:0]
		for _, e := range elements {
			v := e.in(f)
			if v == nil {
				return m.fail(errUndefinedOperand)
			}
			b.operands = append(b.operands, v)
		}
		out, ok := parsed.appendTo(b.text[:0], b.operands)
		b.text = out
		if !ok {
			f[slot] = ast.NewTerm(ast.NewArray(slices.Clone(b.operands)...))
			return general(m, f)
		}
		f[result] = b.texts.term(out)
		return next
	}
}
