// Package sandbox bounds what policies reach outside the process: hosts that the
// compiler's capabilities list, files in folders that WithFolders lists, and nothing else.
// OPA itself bounds hosts alone, and some of its functions hide from the policy that they
// were refused. The package puts functions of its own in the place of these in OPA's table,
// and so all evaluators call them.
package sandbox

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// guarded says that OPA's table has our functions: this happens before anything runs.
var _ = guard()

func guard() bool {
	for name, guarded := range map[string]func(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error{
		ast.HTTPSend.Name:         guardedSend,
		ast.NetLookupIPAddr.Name:  guardedLookup,
		ast.JSONMatchSchema.Name:  guardedMatch,
		ast.JSONSchemaVerify.Name: guardedVerify,
	} {
		original := topdown.GetBuiltin(name)
		topdown.RegisterBuiltinFunc(name, func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
			return guarded(&outside{name: name, context: bctx}, original, operands, iter)
		})
	}
	return true
}
