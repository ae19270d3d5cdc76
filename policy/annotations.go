package policy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// mergeAnnotations leaves one of the annotations that several files give the same
// package or document. OPA refuses those, and policies are files that different
// people put beside one another: a description in each file is no mistake.
//
// Of a package the one that says for how long decisions are kept is left; two that
// differ in that are a mistake. Otherwise it is the first by the file's name.
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
			mine, says := a.Custom["cache"]
			theirs, said := first.Custom["cache"]
			switch {
			case says && !said:
				kept[key] = a
			case says && said && !reflect.DeepEqual(mine, theirs):
				found.at(a.Location, "custom.cache of the package differs from that at %s: say it in one file", location(first.Location))
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
			// The module is kept as it was read, for the next revision.
			changed := *module
			changed.Annotations = own
			changed.Comments = nil // where there are no annotations OPA reads them again
			modules[name] = &changed
		}
	}
}

// annotated is what a is the only annotation of, as OPA wants it; "" for what may
// have several.
func annotated(a *ast.Annotations) string {
	switch a.Scope {
	case "package":
		return "package " + a.GetTargetPath().String()
	case "document", "subpackages":
		// OPA has one place for both.
		return "below " + a.GetTargetPath().GroundPrefix().String()
	}
	return ""
}
