package evaluator

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

func namesOf(keys []*ast.Term) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = string(k.Value.(ast.String))
	}
	return names
}

// inputAt is the value of input at a path of names, whose index in memo.paths is at.
// keys are the names as terms.
func (m *machine) inputAt(at int, names []string, keys []*ast.Term) *ast.Term {
	known := &m.memo.paths[at]
	if known.known {
		return known.value
	}
	var v *ast.Term
	if m.document == nil {
		v = m.memo.input
		for _, k := range keys {
			if v == nil {
				break
			}
			v = part(v, k)
		}
	} else if value := m.document.At(names); value != nil {
		v = ast.NewTerm(value)
	}
	known.known, known.value = true, v
	return v
}

// find is the value that a reference finds where input is a document. parts are those
// of the reference after `input`.
func (m *machine) find(parts ast.Ref) ast.Value {
	names := make([]string, 0, 8)
	for _, p := range parts {
		name, ok := p.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	v := m.named(names)
	if v == nil || len(names) == len(parts) {
		return v
	}
	below, err := v.Find(parts[len(names):])
	if err != nil {
		return nil
	}
	return below
}

// named is the value at a path of names where input is a document.
func (m *machine) named(names []string) ast.Value {
	if len(names) == 0 {
		return m.document.Value()
	}
	for _, p := range m.program.inputPaths[names[len(names)-1]] {
		if slices.Equal(p.names, names) {
			if v := m.inputAt(p.at, p.names, nil); v != nil {
				return v.Value
			}
			return nil
		}
	}
	return m.document.At(names)
}
