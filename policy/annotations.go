package policy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// mergeAnnotations removes annotations until each package and each document has at
// most one. OPA refuses a package that several files annotate. But different people
// write the files of a package, and each file may describe it.
//
// For a package, the annotation that has custom.cache stays; two annotations with
// different custom.cache are a mistake. Otherwise the annotation of the first file
// stays, in the order of the files' names.
func mergeAnnotations(modules map[string]*ast.Module, found *problems) {
	names := slices.Sorted(maps.Keys(modules))
	kept := map[string]*ast.Annotations{}
	repeated := false
	for _, name := range names {
		for _, a := range modules[name].Annotations {
			key := annotated(a)
			if key == "" {
				continue
			}
			first := kept[key]
			if first == nil {
				kept[key] = a
				continue
			}
			repeated = true
			mine, set := a.Custom["cache"]
			theirs, firstSet := first.Custom["cache"]
			switch {
			case set && !firstSet:
				kept[key] = a
			case set && firstSet && !reflect.DeepEqual(mine, theirs):
				found.at(a.Location, "custom.cache of the package differs from that at %s: write it in one file only", location(first.Location))
			}
		}
	}
	if !repeated {
		return
	}
	for _, name := range names {
		module := modules[name]
		own := slices.DeleteFunc(slices.Clone(module.Annotations), func(a *ast.Annotations) bool {
			key := annotated(a)
			return key != "" && kept[key] != a
		})
		if len(own) < len(module.Annotations) {
			// The next revision uses the same parsed module, so this changes a copy.
			changed := *module
			changed.Annotations = own
			changed.Comments = nil // OPA parses the comments again if there are no annotations
			modules[name] = &changed
		}
	}
}

// annotated returns a key of the package or document that a annotates. OPA accepts
// one annotation for each key. It returns "" for a rule, which may have several.
func annotated(a *ast.Annotations) string {
	switch a.Scope {
	case "package":
		return "package " + a.GetTargetPath().String()
	case "document", "subpackages":
		// OPA keeps both under the same path.
		return "below " + a.GetTargetPath().GroundPrefix().String()
	}
	return ""
}
