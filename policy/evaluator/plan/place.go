package plan

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// Place is where something is written.
type Place struct {
	File     string
	Row, Col int
}

// unnamed is how a plan calls a file without a name.
const unnamed = "<query>"

// PlaceOf is the place of what lies at l in a module.
func PlaceOf(l *ast.Location) Place {
	if l == nil {
		return Place{}
	}
	if l.File == "" {
		return Place{File: unnamed, Row: l.Row, Col: l.Col}
	}
	return Place{File: l.File, Row: l.Row, Col: l.Col}
}

// PlaceIn is the place of a statement of policy.
func PlaceIn(policy *ir.Policy, l *ir.Location) Place {
	if files := policy.Static.Files; l.File >= 0 && l.File < len(files) {
		return Place{File: files[l.File].Value, Row: l.Row, Col: l.Col}
	}
	return Place{}
}
