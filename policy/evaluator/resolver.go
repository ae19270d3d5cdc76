package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// candidates are the rules of x that can hold, for a function with these arguments whose
// frame is f. They go back to ast.IndexResultPool.
func (m *machine) candidates(x *ruleIndex, f frame, args []*ast.Term) (*ast.IndexResult, error) {
	m.lookup = lookup{input: f[ir.Input], data: f[ir.Data], args: args}
	result, err := x.index.Lookup((*resolver)(m))
	m.lookup = lookup{}
	return result, err
}

// resolver is the machine as the values that OPA's index reads.
type resolver machine

// Resolve implements ast.ValueResolver. A value that is not there is nil.
func (r *resolver) Resolve(ref ast.Ref) (ast.Value, error) {
	switch {
	case ref[0].Equal(ast.FunctionArgRootDocument):
		if n, ok := ref[1].Value.(ast.Number); ok {
			if i, ok := n.Int(); ok && i >= 0 && i < len(r.lookup.args) {
				return r.lookup.args[i].Value, nil
			}
		}
	case ref[0].Equal(ast.InputRootDocument):
		if r.document != nil {
			return (*machine)(r).find(ref[1:]), nil
		}
		if r.lookup.input == nil {
			return nil, nil
		}
		v, err := r.lookup.input.Value.Find(ref[1:])
		if err != nil {
			return nil, nil //nolint:nilerr // what is not found is undefined
		}
		return v, nil
	case ref[0].Equal(ast.DefaultRootDocument):
		// The interpreter reads data by other rules where a key is no string: the
		// definitions themselves decide about a value that is not found here.
		if v, err := r.lookup.data.Value.Find(ref[1:]); err == nil {
			return v, nil
		}
	}
	return nil, ast.UnknownValueErr{}
}
