package document

import (
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Selected builds an object that has those of its members that are selected.
type Selected struct {
	selects *Selection
	pairs   [][2]*ast.Term
}

// NewSelected begins an object.
func NewSelected(selects *Selection) *Selected { return &Selected{selects: selects} }

// Add adds a member, made only where it is selected; none where value gives nil.
func (s *Selected) Add(name string, value func(*Selection) ast.Value) {
	selects := s.selects.Field(name)
	if selects == nil {
		return
	}
	if made := value(selects); made != nil {
		s.pairs = append(s.pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(made)})
	}
}

// Text adds a member that is a string.
func (s *Selected) Text(name, text string) {
	s.Add(name, func(*Selection) ast.Value { return ast.String(text) })
}

// Integer adds a member that is a whole number.
func (s *Selected) Integer(name string, n int64) {
	s.Add(name, func(*Selection) ast.Value { return Integer(n) })
}

// Object is the object.
func (s *Selected) Object() ast.Value { return ast.NewObject(s.pairs...) }

// Integer is a whole number in OPA's form.
func Integer(n int64) ast.Value { return ast.Number(strconv.FormatInt(n, 10)) }

// SelectedOf is the object of what is selected of values, each as value gives it.
func SelectedOf[T any](values map[string]T, selects *Selection, value func(name string, of T) ast.Value) ast.Value {
	s := NewSelected(selects)
	if selects.whole {
		for name, of := range values {
			s.pairs = append(s.pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(value(name, of))})
		}
		return s.Object()
	}
	for _, field := range selects.fields {
		if of, ok := values[field.name]; ok {
			s.pairs = append(s.pairs, [2]*ast.Term{field.term, ast.NewTerm(value(field.name, of))})
		}
	}
	return s.Object()
}
