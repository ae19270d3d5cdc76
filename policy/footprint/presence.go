package footprint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// presenceChecks are the places of one document of which a rule reads the presence
// and not the content: whether there is a value, and whether it is an object. They are
// a tree, as Paths are. A consumer that keeps a field keeps the presence of the objects
// around it, so a check only counts where nothing below it is read.
type presenceChecks struct {
	location *ast.Location // of the first check here, nil where there is none
	checked  bool
	fields   map[string]*presenceChecks
}

func (p *presenceChecks) add(path []string, location *ast.Location) {
	for _, name := range path {
		if p.fields == nil {
			p.fields = map[string]*presenceChecks{}
		}
		next, ok := p.fields[name]
		if !ok {
			next = &presenceChecks{}
			p.fields[name] = next
		}
		p = next
	}
	if !p.checked || location.Compare(p.location) < 0 {
		p.checked, p.location = true, location
	}
}

// each calls f for every place that is checked, for those below a place before it.
func (p *presenceChecks) each(f func(path []string, location *ast.Location)) {
	var walk func(*presenceChecks, []string)
	walk = func(at *presenceChecks, path []string) {
		for name, next := range at.fields {
			walk(next, append(slices.Clip(path), name))
		}
		if at.checked {
			f(path, at.location)
		}
	}
	walk(p, nil)
}

// checksPresence are the builtins that give the same for any two objects.
var checksPresence = map[string]bool{
	"is_array":   true,
	"is_boolean": true,
	"is_null":    true,
	"is_number":  true,
	"is_object":  true,
	"is_set":     true,
	"is_string":  true,
	"type_name":  true,
}
