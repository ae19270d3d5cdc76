package document

import "github.com/open-policy-agent/opa/v1/ast"

// WithMember is a Source: an object with one more member than Object has.
type WithMember struct {
	Object Value
	// Name is a string, and no member of Object is called so.
	Name  *ast.Term
	Value Source
}

// AppendKey implements Source.
func (w WithMember) AppendKey(key []byte, s *Selection) []byte {
	key = w.Object.AppendKey(key, s) // a member of that name is no part of rest
	if of := s.Field(string(w.Name.Value.(ast.String))); of != nil {
		key = w.Value.AppendKey(key, of)
	}
	return key
}

// Project implements Source.
func (w WithMember) Project(s *Selection) ast.Value {
	rest := w.Object.Project(s).(ast.Object)
	of := s.Field(string(w.Name.Value.(ast.String)))
	if of == nil {
		return rest
	}
	value := w.Value.Project(of)
	if value == nil {
		return rest
	}
	pairs := make([][2]*ast.Term, 0, rest.Len()+1)
	rest.Foreach(func(k, v *ast.Term) { pairs = append(pairs, [2]*ast.Term{k, v}) })
	return ast.NewObject(append(pairs, [2]*ast.Term{w.Name, ast.NewTerm(value)})...)
}

// At implements Source.
func (w WithMember) At(names []string, s *Selection) ast.Value {
	if len(names) == 0 {
		return w.Project(s)
	}
	if names[0] != string(w.Name.Value.(ast.String)) {
		return w.Object.At(names, s)
	}
	of := s.Field(names[0])
	if of == nil {
		return nil
	}
	return w.Value.At(names[1:], of)
}
