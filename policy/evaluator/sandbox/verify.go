package sandbox

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

func guardedVerify(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	schema, err := o.schema(operands[0])
	if err != nil {
		return err
	}
	return original(o.closed(), []*ast.Term{schema}, iter)
}

func guardedMatch(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	schema, err := o.schema(operands[1])
	if err != nil {
		return err
	}
	return original(o.closed(), []*ast.Term{operands[0], schema}, iter)
}
