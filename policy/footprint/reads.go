package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// readEverything makes the footprint everything: the analysis cannot tell what is read.
func (a *analysis) readEverything(location *ast.Location) {
	a.add(place{root: inputRoot}, location)
	a.add(place{root: dataRoot}, location)
	a.subtree(a.compiler.RuleTree.Child(ast.DefaultRootDocument.Value), location)
}

// add counts the value at p as read whole.
func (a *analysis) add(p place, location *ast.Location) {
	p = p.asWhole()
	paths, name := &a.out.Input, "input"
	if p.root == dataRoot {
		paths, name = &a.out.Data, "data"
	}
	paths.Add(p.path...)
	if len(p.path) > 1 || len(p.path) == 1 && (p.root == dataRoot || !wholesale[p.path[0]]) {
		return
	}
	a.out.Widenings = append(a.out.Widenings, Widening{Path: Format(name, p.path), Location: location})
}

// wholesale are the fields of inputs that hold most of the input.
var wholesale = map[string]bool{
	"identity":     true,
	"metadata":     true,
	"node":         true,
	"pod":          true,
	"request":      true,
	"spec":         true,
	"state":        true,
	"stateWithout": true,
	"status":       true,
	"victim":       true,
	"victims":      true,
}

// read counts v as read whole. of is the summary of the rules that read it; it takes what
// they read of their parameters, and may be nil where there are none.
func (a *analysis) read(v value, of *summary, location *ast.Location) {
	for _, p := range v.places {
		if p = p.asWhole(); p.root >= 0 {
			of.params[p.root].reads.Add(p.path...)
		} else {
			a.add(p, location)
		}
	}
}

// readPresence counts a presence check of v. See read for of.
func (a *analysis) readPresence(v value, of *summary, location *ast.Location) {
	for _, p := range v.places {
		switch p.root {
		case inputRoot:
			a.inputChecks.add(p.path, location)
		case dataRoot:
			a.dataChecks.add(p.path, location)
		default:
			of.params[p.root].checks.add(p.path, location)
		}
	}
}

// follow gives the value at the rest of a reference below v. At the first element
// that is not a constant string it is any item of v, or v is read whole.
func (a *analysis) follow(v value, rest ast.Ref, of *summary, location *ast.Location) value {
	if len(v.places) == 0 {
		return value{}
	}
	path, ground := names(rest)
	v = v.extend(path)
	if !ground && v.hasItems() {
		items := v.extend([]string{Items})
		items.mixed = true
		return a.follow(items, rest[len(path)+1:], of, location)
	}
	if !ground || v.tooLarge() {
		a.read(v, of, location)
		return value{}
	}
	return v
}

// names are the constant strings that ref begins with, and whether they are all of it.
func names(ref ast.Ref) (path []string, all bool) {
	path = make([]string, 0, len(ref))
	for _, element := range ref {
		name, ok := element.Value.(ast.String)
		if !ok {
			return path, false
		}
		path = append(path, string(name))
	}
	return path, true
}
